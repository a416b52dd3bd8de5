/** Acceptance: routes, the `queue` hook, the store, and only then the 250 that makes the message ours. */
import { chosenRoutes, headerEdits, shortestLife, tagsOf } from '../hooks/actions.ts'
import type { TakenAction } from '../hooks/runner.ts'
import { withoutFields } from '../mail/header-fields.ts'
import { type StoredContent, storedSizeBytes } from '../mail/message.ts'
import { receivedField } from '../mail/received.ts'
import { reply } from '../mail/reply.ts'
import type { Need, Origin, Tag } from '../mail/session.ts'
import type { NewRecipient } from '../queue/queue-store.ts'
import { type Accepted, noteAccepted } from './accepted.ts'
import type { ClientSession } from './client-session.ts'
import { missingFields } from './completion.ts'
import { type ReplyStep, say } from './dialogue-port.ts'
import { dispositionOf, type OwedRoute } from './disposition.ts'
import type { MailTransaction } from './mail-transaction.ts'
import type { IncomingMessage } from './receive.ts'
import type { ReceivedMessage } from './received-message.ts'
import { refuse, refuseFor } from './refusal.ts'
import { chooseRoutes, configuredRoutes } from './routes.ts'

/** A message nobody refused at `data`; what plugins wanted by then is in its transaction. */
export interface Candidate {
  readonly client: ClientSession
  readonly transaction: MailTransaction
  readonly incoming: IncomingMessage
  readonly message: ReceivedMessage
}

/** @throws StoreFault when the store could not take it: nothing was accepted */
export async function accept(candidate: Candidate): Promise<ReplyStep> {
  const { client, transaction, message } = candidate
  const { domains, hooks } = client.policy
  const recipients = configuredRoutes(finalRecipients(candidate), domains)
  const origin = originOf(candidate, transaction.snapshot().tags)
  const { reversePath } = transaction
  const event = { origin, reversePath, recipients, message: { sizeBytes: message.sizeBytes } }
  const said = await hooks.ask('queue', event, null, client.record)
  if (said.refusal !== null) return refuseFor(client, 'queue', said.refusal)
  const actions = [...finalActions(candidate), ...said.actions]
  const { routed, ignored } = chooseRoutes(recipients, chosenRoutes(actions))
  const disposition = dispositionOf(routed, actions, domains.postmasterMailbox)
  if (disposition.lost.length > 0) return noRoute(client, disposition.lost)
  return take(candidate, actions, {
    ...disposition,
    ignored,
    ...tagsOf(actions),
    life: shortestLife(actions),
  })
}

/** Stores what has to be stored. Nothing is for a client that would not hear that we have it. */
async function take(
  candidate: Candidate,
  actions: readonly TakenAction[],
  accepted: Accepted,
): Promise<ReplyStep> {
  const { client, transaction, incoming } = candidate
  const { accepting, clock } = client.service.parts
  const { settings } = client.policy
  const { owed, tags, life } = accepted
  const acceptedAt = clock.now()
  const stored = storedContent(candidate, actions, acceptedAt)
  if (client.isGone) return say(reply(451, '4.4.2', 'Connection lost'))
  // Found by its queue id before anything is decided about its delivery.
  client.record.knownAs(incoming.queueId)
  if (owed.length > 0) {
    const lifeMs = life === null ? settings.queue.expireMs : life.seconds * 1_000
    await accepting.accept({
      id: incoming.queueId,
      acceptedAt,
      expiresAt: acceptedAt + Math.min(lifeMs, settings.queue.expireMs),
      reversePath: transaction.reversePath,
      stored,
      origin: originOf(candidate, tags),
      dsn: transaction.dsn,
      recipients: owed.map((recipient) => withDsn(candidate, recipient)),
    })
    incoming.keep()
  }
  noteAccepted(candidate, storedSizeBytes(stored), accepted)
  // Only here, behind the durable commit of body and envelope (RFC 5321 §6.1): from this 250 on the message is ours.
  return say(reply(250, '2.0.0', `Queued as ${incoming.queueId}`))
}

function withDsn({ client, transaction }: Candidate, owed: OwedRoute): NewRecipient {
  const { hostPostmaster, postmasterMailbox } = client.policy.domains
  const { address } = owed
  const isForwarded = address === postmasterMailbox && !transaction.recipients.has(address)
  return { ...owed, dsn: transaction.dsnOf(isForwarded ? hostPostmaster : address) }
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
  const { hostname } = client.policy.settings
  const { queueId } = incoming
  const trace = receivedField({
    session: client.facts,
    hostname,
    queueId,
    recipient,
    at,
    isUtf8: transaction.needs.includes('SMTPUTF8'),
  })
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
  const { hostPostmaster, postmasterMailbox } = client.policy.domains
  if (hostPostmaster === postmasterMailbox || !transaction.recipients.has(hostPostmaster))
    return transaction.recipients
  return new Set(finalNames(client, [...transaction.recipients]))
}

function finalNames(client: ClientSession, addresses: readonly string[]): readonly string[] {
  const { hostPostmaster, postmasterMailbox } = client.policy.domains
  return addresses.map((address) => (address === hostPostmaster ? postmasterMailbox : address))
}

/** Before `queue`, plugins know recipients by the names the client used. */
function finalActions({ client, transaction }: Candidate): readonly TakenAction[] {
  return transaction.actions.map((taken) => {
    const { plugin, action } = taken
    if (!('recipients' in action) || action.recipients === null) return taken
    return { plugin, action: { ...action, recipients: finalNames(client, action.recipients) } }
  })
}

function originOf(candidate: Candidate, tags: readonly Tag[]): Origin {
  const { id, client: address, hello, tls, identity } = candidate.client.facts
  const needs = needsOf(candidate)
  const facts = { kind: 'smtp', session: id, client: address, hello, tls, identity, tags } as const
  return needs.length === 0 ? facts : { ...facts, needs }
}

/** Of SMTPUTF8 only what is left of it: addresses say themselves whether they need it. */
function needsOf({ transaction, message }: Candidate): readonly Need[] {
  const isNeeded = (need: Need): boolean =>
    need !== 'SMTPUTF8' || message.header.some((octet) => octet > 0x7f)
  return transaction.needs.filter(isNeeded)
}

function noRoute(client: ClientSession, lost: readonly string[]): ReplyStep {
  const facts = { recipient: lost[0] ?? '', recipients: lost.length }
  const text = `No route to ${lost[0] ?? 'the recipient'}`
  return refuse(client, { hook: 'queue', code: 451, status: '4.3.5', text, reason: 'NO_ROUTE', facts })
}
