/** `postern reload`: configuration, plugins and tables read anew and put in force, or what is wrong with them. */
import { Command } from 'commander'
import { type CommandLine, formatProblems } from '../command-line.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'

export function reloadCommand(line: CommandLine): Command {
  return new Command('reload')
    .description(
      'Put configuration, plugins and lookup tables in force as their files are now, or change nothing.',
    )
    .addHelpText(
      'after',
      '\nMail under way is decided by what it began with. A mistake in a file changes nothing.\n\nExample:\n  postern reload',
    )
    .action(line.action(async () => await reload(line)))
}

async function reload(line: CommandLine): Promise<ExitCode> {
  const control = await line.control()
  line.output.progress('Loading …')
  const outcome = await control.reload()
  line.output.progress('')
  const { isReloaded, generation, problems, tookMs } = outcome
  if (line.json) line.output.json(outcome)
  else if (isReloaded) line.output.print(`Reloaded in ${tookMs} ms: generation ${generation} is in force.`)
  else {
    line.output.complain(formatProblems(problems))
    line.output.complain(`\nNothing was changed: generation ${generation} is in force.`)
  }
  return isReloaded ? EXIT.fine : EXIT.problem
}
