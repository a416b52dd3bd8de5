/** `postern plugin check`: loads a plugin as a gateway would and says what it is and what it may do. */
import { resolve } from 'node:path'
import { Command } from 'commander'
import { type CommandLine, formatProblems } from '../command-line.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { visible } from '../visible-text.ts'

export function pluginCheckCommand(line: CommandLine): Command {
  return new Command('check')
    .description('Check the types of a plugin, load it as a gateway would, and say what it may do.')
    .argument('<path>', 'a .ts file, or a folder with an index.ts')
    .addHelpText('after', '\nExample:\n  postern plugin check ./plugins/no-robots')
    .action(line.action(async (path: string) => await check(line, path)))
}

async function check(line: CommandLine, path: string): Promise<ExitCode> {
  const inspected = await line.rooms.inspectPlugin(resolve(path))
  if (line.json) line.output.json(inspected)
  else if ('problems' in inspected) line.output.complain(formatProblems(inspected.problems))
  else {
    const { name, version, build, hooks, permissions, warnings, compiler } = inspected
    line.output.print(`${visible(name)} ${visible(version)}   ${build}   hooks: ${hooks.join(', ')}`)
    for (const sentence of permissions) line.output.print(`  ${visible(sentence)}`)
    if (permissions.some((sentence) => sentence.startsWith('critical:')))
      line.output.print('What is critical must be granted in the configuration; the start says how.')
    if (compiler === null)
      line.output.print(
        'Types were not checked: there is no TypeScript here (npm install --save-dev typescript).',
      )
    if (warnings.length > 0) line.output.complain(`Worth a look:\n${formatProblems(warnings)}`)
  }
  return 'problems' in inspected ? EXIT.problem : EXIT.fine
}
