/** `postern queue …`: what is still owed to whom, and what an operator does about it. */
import { Command } from 'commander'
import type { CommandLine } from '../command-line.ts'
import { queueDropCommand, queueHoldCommand, queueReleaseCommand, queueRetryCommand } from './queue-change.ts'
import { queueListCommand } from './queue-list.ts'
import { queueShowCommand } from './queue-show.ts'

export function queueCommand(line: CommandLine): Command {
  return new Command('queue')
    .description('Look at the queue and change it.')
    .addHelpText('after', '\nExample:\n  postern queue list --state held')
    .addCommand(queueListCommand(line))
    .addCommand(queueShowCommand(line))
    .addCommand(queueRetryCommand(line))
    .addCommand(queueHoldCommand(line))
    .addCommand(queueReleaseCommand(line))
    .addCommand(queueDropCommand(line))
}
