/** Acceptance: routes, the `queue` hook, the store, and only then the 250 that makes the message ours. */
import { chosenRoutes, headerEdits, holdReasons } from '../hooks/actions.ts'
import type { TakenAction } from '../hooks/runner.ts'
import { withoutFields } from '../mail/header-fields.ts'
import { type StoredContent, storedSizeBytes } from '../mail/message.ts'
import { receivedField } from '../mail/received.ts'
import { reply } from '../mail/reply.ts'
import type { Origin } from '../mail/session.ts'
import type { NewRecipient } from '../queue/queue-store.ts'
import type { ClientSession } from './client-session.ts'
import { missingFields } from './completion.ts'
import { type ReplyStep, say } from './dialogue-port.ts'
import type { MailTransaction } from './mail-transaction.ts'
import type { IncomingMessage } from './receive.ts'
import type { ReceivedMessage } from './received-message.ts'
import { refuse, refuseFor } from './refusal.ts'
import {
  chooseRoutes,
  configuredRoutes,
  type IgnoredRoute,
  isDiscard,
  type RoutedRecipient,
} from './routes.ts'

/** A message nobody refused at `data`. */
export interface Candidate {
  readonly client: ClientSession
  readonly transaction: MailTransaction
  readonly incoming: IncomingMessage
  readonly message: ReceivedMessage
  /** What plugins wanted at `data`. */
  readonly actions: readonly TakenAction[]
}

/** The route of mail that is held because there is none: no destination is written like this. */
const NO_ROUTE = 'none:'

/** @throws StoreFault when the store could not take it: nothing was accepted */
export async function accept(candidate: Candidate): Promise<ReplyStep> {
  const { client, transaction, message, actions } = candidate
  const { domains, parts } = client.service
  const recipients = configuredRoutes(finalRecipients(candidate), domains)
  const origin = originOf(client)
  const { reversePath } = transaction
  const event = { origin, reversePath, recipients, message: { sizeBytes: message.sizeBytes } }
  const said = await parts.hooks.ask('queue', event, null, client.record)
  if (said.refusal !== null) return refuseFor(client, 'queue', said.refusal)
  const all = [...actions, ...said.actions]
  transaction.hold(holdReasons(all))
  const { routed, ignored } = chooseRoutes(recipients, chosenRoutes(all))
  for (const choice of ignored) noteIgnored(candidate, choice)
  const lost = routed.filter(({ address, route }) => route === null && address !== domains.postmasterMailbox)
  if (lost.length > 0) return noRoute(client, lost)
  return take(candidate, routed, origin, all)
}

/** Stores what has to be stored. Nothing is for a client that would not hear that we have it. */
async function take(
  candidate: Candidate,
  routed: readonly RoutedRecipient[],
  origin: Origin,
  actions: readonly TakenAction[],
): Promise<ReplyStep> {
  const { client, transaction, incoming } = candidate
  const { accepting, clock, settings } = client.service.parts
  const recipients = owed(candidate, routed)
  const acceptedAt = clock.now()
  const stored = storedContent(candidate, actions, acceptedAt)
  if (client.isGone) return say(reply(451, '4.4.2', 'Connection lost'))
  // Found by its queue id before anything is decided about its delivery.
  client.record.knownAs(incoming.queueId)
  if (recipients.length > 0) {
    await accepting.accept({
      id: incoming.queueId,
      acceptedAt,
      expiresAt: acceptedAt + settings.queue.expireMs,
      reversePath: transaction.reversePath,
      stored,
      origin,
      dsn: transaction.dsn,
      recipients,
    })
    incoming.keep()
  }
  noteAccepted(candidate, storedSizeBytes(stored), routed.length - recipients.length)
  // Only here, behind the durable commit of body and envelope (RFC 5321 §6.1): from this 250 on the message is ours.
  return say(reply(250, '2.0.0', `Queued as ${incoming.queueId}`))
}

/** Those that are owed something: `discard:` settles at acceptance, unless the message is held. */
function owed(
  { client, transaction }: Candidate,
  routed: readonly RoutedRecipient[],
): readonly NewRecipient[] {
  const { hostPostmaster, postmasterMailbox } = client.service.domains
  const { holds } = transaction
  const hold = holds.length === 0 ? null : holds.join('; ')
  return routed.flatMap(({ address, route }) => {
    const isForwarded = address === postmasterMailbox && !transaction.recipients.has(address)
    const dsn = transaction.dsnOf(isForwarded ? hostPostmaster : address)
    if (route === null)
      return [{ address, route: NO_ROUTE, hold: hold ?? 'no mailbox for the postmaster', dsn }]
    return hold === null && isDiscard(route) ? [] : [{ address, route, hold, dsn }]
  })
}

/** Trace field and edits in front; of a large body nothing is copied (RFC 5321 §4.4). */
function storedContent(
  { client, transaction, incoming, message }: Candidate,
  actions: readonly TakenAction[],
  at: number,
): StoredContent {
  const { prepend, remove } = headerEdits(actions)
  const [only] = transaction.recipients
  const recipient = transaction.recipients.size === 1 && only !== undefined ? only : null
  const { hostname } = client.service.parts.settings
  const { queueId } = incoming
  const trace = receivedField({ session: client.facts, hostname, queueId, recipient, at })
  const { content, header } = message
  const completion =
    client.facts.role === 'submission'
      ? missingFields({ added: prepend, kept: withoutFields(header, remove), queueId, hostname, at })
      : ''
  const front = Buffer.from(trace + prepend + completion, 'latin1')
  if (remove.size === 0) return { head: front, content, contentOffset: 0 }
  const head = Buffer.concat([front, withoutFields(header, remove)])
  return { head, content, contentOffset: header.byteLength }
}

/** The host's own postmaster is the configured mailbox, where there is one. */
function finalRecipients({ client, transaction }: Candidate): ReadonlySet<string> {
  const { hostPostmaster, postmasterMailbox } = client.service.domains
  if (hostPostmaster === postmasterMailbox || !transaction.recipients.has(hostPostmaster))
    return transaction.recipients
  const mailbox = (address: string): string => (address === hostPostmaster ? postmasterMailbox : address)
  return new Set(Array.from(transaction.recipients, mailbox))
}

function originOf(client: ClientSession): Origin {
  const { id, client: address, hello, tls, identity } = client.facts
  return { kind: 'smtp', session: id, client: address, hello, tls, identity }
}

function noRoute(client: ClientSession, lost: readonly RoutedRecipient[]): ReplyStep {
  const facts = { recipient: lost[0]?.address ?? '', recipients: lost.length }
  const text = `No route to ${lost[0]?.address ?? 'the recipient'}`
  return refuse(client, { hook: 'queue', code: 451, status: '4.3.5', text, reason: 'NO_ROUTE', facts })
}

function noteIgnored({ client, incoming }: Candidate, choice: IgnoredRoute): void {
  client.record.step('route-ignored', { ...choice })
  client.service.parts.log.warn('route-ignored', { session: client.id, message: incoming.queueId, ...choice })
}

function noteAccepted(
  { client, transaction, incoming }: Candidate,
  sizeBytes: number,
  discarded: number,
): void {
  const { queueId } = incoming
  const { reversePath, recipients, holds } = transaction
  client.accepted++
  client.service.counters.accepted++
  client.record.step('queued', { message: queueId, recipients: recipients.size, discarded, sizeBytes })
  client.service.parts.log.info('message-accepted', {
    session: client.id,
    message: queueId,
    reversePath,
    recipients: recipients.size,
    sizeBytes,
    discarded,
    held: holds.length > 0,
  })
}
