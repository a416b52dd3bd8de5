/** `postern salvage`: makes a store usable again of which a database is damaged. */
import { Command } from 'commander'
import type { CommandLine } from '../command-line.ts'
import { CommandFault, EXIT, type ExitCode } from '../exit-code.ts'
import { counted } from '../quantity.ts'

export function salvageCommand(line: CommandLine): Command {
  return new Command('salvage')
    .description('Save what can be read of a damaged store. Shows what is damaged unless --yes.')
    .option('--yes', 'really do it: the damaged files are kept in a folder of the store')
    .addHelpText('after', '\nExample:\n  postern stop; postern salvage; postern salvage --yes; postern start')
    .action(line.action(async ({ yes }: { yes?: boolean }) => await run(line, yes === true)))
}

async function run(line: CommandLine, isMeant: boolean): Promise<ExitCode> {
  const { directory } = (await line.config()).store
  const { acquireStoreLock } = await import('../../queue/store-lock.ts')
  const lock = await acquireStoreLock(directory)
  if (!lock.ok) throw new CommandFault(EXIT.problem, `${lock.what}\nFix: ${lock.remedy}`)
  try {
    return await underLock(line, directory, isMeant)
  } finally {
    await lock.release()
  }
}

async function underLock(line: CommandLine, directory: string, isMeant: boolean): Promise<ExitCode> {
  const { examine, salvage } = await import('../../queue/salvage.ts')
  const { queue, state } = examine(directory)
  const findings = [...queue, ...state]
  if (findings.length === 0) {
    if (line.json) line.output.json({ findings, salvaged: null })
    else line.output.print(`Nothing is wrong with the databases in ${directory}.`)
    return EXIT.fine
  }
  const salvaged = isMeant ? salvage(directory, new Date().toISOString().replaceAll(/[:.]/g, '')) : null
  if (line.json) line.output.json({ findings, salvaged })
  else {
    for (const finding of findings) line.output.print(`Damaged: ${finding}`)
    if (salvaged === null)
      line.output.print('Nothing was changed. Run again with --yes to save what can be read.')
    else {
      const { messages, recipients, withoutBody, lost, aside } = salvaged
      line.output.print(`Saved ${counted(messages, 'message')} with ${counted(recipients, 'recipient')}.`)
      if (withoutBody > 0)
        line.output.print(`${counted(withoutBody, 'message')} without a body: held at the first attempt.`)
      for (const id of lost) line.output.complain(`Lost: ${id}`)
      line.output.print(`The damaged files are in ${aside}.`)
    }
  }
  return salvaged === null || salvaged.lost.length > 0 ? EXIT.problem : EXIT.fine
}
