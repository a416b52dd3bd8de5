/** `postern start`: runs a gateway in the foreground until it is stopped. */
import { Command } from 'commander'
import type { CommandLine } from '../command-line.ts'

export function startCommand(line: CommandLine): Command {
  return new Command('start')
    .description('Run a gateway in the foreground.')
    .addHelpText('after', '\nExample:\n  postern start --config /etc/postern/postern.yaml')
    .action(
      line.action(async () => {
        const config = await line.config()
        return await line.rooms.runSupervisor(config, config.file)
      }),
    )
}
