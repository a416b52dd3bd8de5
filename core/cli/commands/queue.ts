/** `postern queue …`: what is still owed to whom, and what an operator does about it. */
import { Command } from 'commander'
import type { CommandLine } from '../command-line.ts'
import { queueAgeCommand } from './queue-age.ts'
import {
  queueBounceCommand,
  queueDropCommand,
  queueHoldCommand,
  queueReleaseCommand,
  queueRetryCommand,
} from './queue-change.ts'
import { queueExportCommand } from './queue-export.ts'
import { queueListCommand } from './queue-list.ts'
import { queueShowCommand } from './queue-show.ts'
import { queueResumeCommand, queueSuspendCommand, queueSuspendedCommand } from './queue-suspend.ts'

export function queueCommand(line: CommandLine): Command {
  return new Command('queue')
    .description('Look at the queue and change it.')
    .addHelpText('after', '\nExample:\n  postern queue list --state held')
    .addCommand(queueListCommand(line))
    .addCommand(queueAgeCommand(line))
    .addCommand(queueShowCommand(line))
    .addCommand(queueRetryCommand(line))
    .addCommand(queueHoldCommand(line))
    .addCommand(queueReleaseCommand(line))
    .addCommand(queueBounceCommand(line))
    .addCommand(queueDropCommand(line))
    .addCommand(queueExportCommand(line))
    .addCommand(queueSuspendCommand(line))
    .addCommand(queueResumeCommand(line))
    .addCommand(queueSuspendedCommand(line))
}
