/** `postern queue show`: everything about one message. */
import { Command } from 'commander'
import type { Control, QueueEntry, RecordedSession, Suspension } from '../../admin/control.ts'
import { MAX_LIST_LIMIT } from '../../admin/control-call.ts'
import type { CommandLine } from '../command-line.ts'
import { CommandFault, EXIT, type ExitCode } from '../exit-code.ts'
import { formatBytes, formatMoment, formatRelative } from '../quantity.ts'
import { whatNext } from '../queue-table.ts'
import { visible } from '../visible-text.ts'
import { formatSession } from '../way.ts'
import { untilWhen } from './queue-suspend.ts'

export function queueShowCommand(line: CommandLine): Command {
  return new Command('show')
    .description('Show a message: who is still owed, why it waits, and how it came here.')
    .argument('<id>', 'queue id (q_…)')
    .addHelpText('after', '\nExample:\n  postern queue show q_bcdfghjklmnp')
    .action(line.action(async (id: string) => await show(line, id)))
}

async function show(line: CommandLine, id: string): Promise<ExitCode> {
  const control = await line.control()
  const recipients = await control.queueList({ message: id }, MAX_LIST_LIMIT)
  const session = await control.explain(id)
  const suspensions = await suspensionsOf(control, recipients)
  const [first] = recipients
  if (first === undefined && session === null)
    throw new CommandFault(
      EXIT.problem,
      `There is no message ${id} in the queue, and nothing is recorded about one.\nSee what there is: postern queue list`,
    )
  if (line.json) {
    line.output.json({ id, queued: first !== undefined, recipients, suspensions, session })
    return EXIT.fine
  }
  const message =
    first === undefined
      ? [`${visible(id)} has left the queue: nobody is owed it any more.`]
      : formatMessage(first, recipients, suspensions, Date.now())
  for (const text of [...message, '', ...formatRecord(session, line)]) line.output.print(text)
  return EXIT.fine
}

/** Those that keep these recipients waiting. */
async function suspensionsOf(
  control: Control,
  recipients: readonly QueueEntry[],
): Promise<readonly Suspension[]> {
  const routes = new Set(recipients.filter(({ state }) => state === 'due').map(({ route }) => route))
  if (routes.size === 0) return []
  return (await control.queueSuspensions()).filter(({ route }) => routes.has(route))
}

function formatMessage(
  first: QueueEntry,
  recipients: readonly QueueEntry[],
  suspensions: readonly Suspension[],
  now: number,
): readonly string[] {
  const { message, reversePath, sizeBytes, acceptedAt, expiresAt } = first
  return [
    `Message   ${visible(message)}   ${formatBytes(sizeBytes)}`,
    `From      ${reversePath === '' ? '<>' : visible(reversePath)}`,
    `Accepted  ${formatMoment(acceptedAt)}   ${formatRelative(acceptedAt, now)}   ${formatOrigin(first)}`,
    `Expires   ${formatMoment(expiresAt)}   ${formatRelative(expiresAt, now)}`,
    ...formatTags(first),
    ...recipients.flatMap((entry) => [
      '',
      ...formatRecipient(entry, now),
      ...formatSuspended(entry, suspensions),
    ]),
  ]
}

function formatTags({ origin }: QueueEntry): readonly string[] {
  const tags = origin.tags.map(
    ({ plugin, name, value }) =>
      `${visible(name)}${value === '' ? '' : ` = ${visible(value)}`} (${visible(plugin)})`,
  )
  return tags.length === 0 ? [] : [`Tags      ${tags.join('   ')}`]
}

function formatOrigin({ origin }: QueueEntry): string {
  if (origin.kind === 'internal') return `made here: ${visible(origin.what)}`
  const hello = origin.hello === null ? '' : ` (${visible(origin.hello.name)})`
  const identity = origin.identity === null ? '' : `, signed in as ${visible(origin.identity)}`
  return `from ${visible(origin.client.address)}${hello}${identity}`
}

function formatRecipient(entry: QueueEntry, now: number): readonly string[] {
  const { address, state, route, attempts, dueAt, detail, leased } = entry
  const next =
    state === 'due' && !leased && dueAt > now
      ? `${formatMoment(dueAt)}   ${formatRelative(dueAt, now)}`
      : whatNext({ ...entry, detail: '' }, now)
  const isReply = state === 'due' && detail !== ''
  return [
    `To        ${visible(address)}   ${state}`,
    `Route     ${visible(route)}`,
    `Attempts  ${attempts}`,
    ...(state === 'due' ? [`Next      ${next}`] : []),
    ...(isReply ? [`Last      ${visible(detail)}`] : []),
    ...(state !== 'due' && detail !== '' ? [`Reason    ${visible(detail)}`] : []),
  ]
}

function formatSuspended(
  { state, route }: QueueEntry,
  suspensions: readonly Suspension[],
): readonly string[] {
  const suspension = state === 'due' ? suspensions.find((one) => one.route === route) : undefined
  if (suspension === undefined) return []
  return [`Suspended ${untilWhen(suspension)}: ${visible(suspension.reason)}`]
}

function formatRecord(session: RecordedSession | null, line: CommandLine): readonly string[] {
  if (session === null) return ['How it came here is not recorded any more.']
  return formatSession(session, line.output)
}
