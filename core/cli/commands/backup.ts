/** `postern backup`: a copy of the store while a gateway uses it. */
import { resolve } from 'node:path'
import { Command } from 'commander'
import type { CommandLine } from '../command-line.ts'
import { CommandFault, EXIT, type ExitCode } from '../exit-code.ts'
import { counted } from '../quantity.ts'

export function backupCommand(line: CommandLine): Command {
  return new Command('backup')
    .description('Copy the store as it is at one moment; the gateway may run meanwhile.')
    .argument('<folder>', 'where to: missing, or empty')
    .addHelpText(
      'after',
      '\nA backup is a store: stop the gateway, put the folder where store.directory is, start it again.\n' +
        'What was delivered since is delivered once more.\n\nExample:\n  postern backup /var/backups/postern-2026-11-24',
    )
    .action(line.action(async (folder: string) => await run(line, resolve(folder))))
}

async function run(line: CommandLine, target: string): Promise<ExitCode> {
  const { directory } = (await line.config()).store
  const { backUp, BackupImpossible } = await import('../../queue/backup.ts')
  try {
    const backup = await backUp(directory, target, (done, all) => {
      line.output.progress(`${done} of ${counted(all, 'spool file')}`)
    })
    line.output.progress('')
    if (line.json) line.output.json({ folder: target, ...backup })
    else {
      const { messages, recipients, spoolFiles, incomplete } = backup
      line.output.print(
        `${target} has ${counted(messages, 'message')} with ${counted(recipients, 'recipient')}, ${counted(spoolFiles, 'spool file')}.`,
      )
      for (const id of incomplete) line.output.complain(`The spool file of ${id} is missing in the store.`)
    }
    return backup.incomplete.length === 0 ? EXIT.fine : EXIT.problem
  } catch (error) {
    if (error instanceof BackupImpossible)
      throw new CommandFault(EXIT.problem, error.message, { cause: error })
    throw error
  }
}
