/** `postern queue suspend|resume|suspended`: destinations nothing is sent to for a while. */
import { Command, InvalidArgumentError } from 'commander'
import type { Suspension } from '../../admin/control.ts'
import type { CommandLine } from '../command-line.ts'
import { durationMs } from '../duration-option.ts'
import { CommandFault, EXIT, type ExitCode } from '../exit-code.ts'
import { formatMoment, formatRelative } from '../quantity.ts'
import { formatTable } from '../table.ts'
import { visible } from '../visible-text.ts'

interface SuspendOptions {
  readonly reason: string
  readonly for?: number
}

export function queueSuspendCommand(line: CommandLine): Command {
  return new Command('suspend')
    .description(
      'Send nothing to a destination, now and for mail that comes later. Mail under way is not interrupted.',
    )
    .argument('<destination>', 'as `queue list` shows it: mx:example.test, smtp://192.0.2.7:25', destination)
    .requiredOption('--reason <text>', 'why, for whoever looks at it later')
    .option('--for <duration>', 'how long, as in 2h (default: until it is resumed)', durationMs)
    .addHelpText(
      'after',
      '\nExample:\n  postern queue suspend mx:example.test --for 2h --reason "their storage is down"',
    )
    .action(
      line.action(async (route: string, { reason, for: forMs }: SuspendOptions) => {
        const suspension = await (await line.control()).queueSuspend(route, reason, forMs ?? null)
        if (line.json) line.output.json(suspension)
        else
          line.output.print(
            `Nothing is sent to ${visible(route)} ${untilWhen(suspension)}.\nUndo: postern queue resume ${visible(route)}`,
          )
        return EXIT.fine
      }),
    )
}

export function queueResumeCommand(line: CommandLine): Command {
  return new Command('resume')
    .description('Send to a suspended destination again.')
    .argument('<destination>', 'as `queue suspended` shows it', destination)
    .addHelpText('after', '\nExample:\n  postern queue resume mx:example.test')
    .action(
      line.action(async (route: string): Promise<ExitCode> => {
        const wasSuspended = await (await line.control()).queueResume(route)
        if (!wasSuspended && !line.json)
          throw new CommandFault(
            EXIT.problem,
            `${visible(route)} is not suspended. See: postern queue suspended`,
          )
        if (line.json) line.output.json({ route, wasSuspended })
        else line.output.print(`Mail to ${visible(route)} is sent again.`)
        return wasSuspended ? EXIT.fine : EXIT.problem
      }),
    )
}

export function queueSuspendedCommand(line: CommandLine): Command {
  return new Command('suspended')
    .description('List suspended destinations.')
    .addHelpText('after', '\nExample:\n  postern queue suspended')
    .action(
      line.action(async () => {
        const suspensions = await (await line.control()).queueSuspensions()
        if (line.json) line.output.json({ suspensions })
        else if (suspensions.length === 0) line.output.print('No destination is suspended.')
        else for (const text of formatSuspensions(suspensions, line.output.width)) line.output.print(text)
        return EXIT.fine
      }),
    )
}

/** `until 2026-11-24 18:00:00 (in 2 h)`, `until it is resumed`. */
export function untilWhen({ until }: Suspension): string {
  if (until === null) return 'until it is resumed'
  return `until ${formatMoment(until)} (${formatRelative(until, Date.now())})`
}

function formatSuspensions(suspensions: readonly Suspension[], width: number | null): readonly string[] {
  const columns = [{ title: 'DESTINATION' }, { title: 'SINCE' }, { title: 'UNTIL' }, { title: 'REASON' }]
  const rows = suspensions.map(({ route, reason, since, until }) => [
    route,
    formatMoment(since),
    until === null ? 'resumed' : formatMoment(until),
    reason,
  ])
  return formatTable(columns, rows, width)
}

function destination(value: string): string {
  if (!/^[a-z+]+:/.test(value))
    throw new InvalidArgumentError('It must be a destination, as in mx:example.test.')
  return value
}
