/** What is written down of a message that was accepted: in the record, in the log, in the counters. */
import type { ChosenLife } from '../hooks/actions.ts'
import type { Tag } from '../mail/session.ts'
import type { Candidate } from './accept.ts'
import type { Discarded, Disposition } from './disposition.ts'
import type { IgnoredRoute } from './routes.ts'

/** Everything that was decided about it. */
export interface Accepted extends Disposition {
  /** Routes chosen too late. */
  readonly ignored: readonly IgnoredRoute[]
  readonly tags: readonly Tag[]
  /** Tags beyond the number one transaction has. */
  readonly leftOut: readonly Tag[]
  /** null: as long as the configuration says. */
  readonly life: ChosenLife | null
}

/** @param sizeBytes as it will be sent */
export function noteAccepted(candidate: Candidate, sizeBytes: number, accepted: Accepted): void {
  const { client, transaction, incoming } = candidate
  const { queueId } = incoming
  const { reversePath } = transaction
  const [recipients, discarded] = [transaction.recipients.size, accepted.discarded.length]
  noteIgnored(candidate, accepted)
  noteDiscarded(candidate, accepted)
  noteLife(candidate, accepted)
  client.accepted++
  client.service.counters.accepted++
  client.record.step('queued', { message: queueId, recipients, discarded, sizeBytes })
  client.service.parts.log.info('message-accepted', {
    session: client.id,
    message: queueId,
    reversePath,
    recipients,
    sizeBytes,
    discarded,
    held: accepted.owed.some(({ hold }) => hold !== null),
  })
}

/** What plugins wanted and did not get. */
function noteIgnored({ client, incoming }: Candidate, { ignored, overruled, leftOut }: Accepted): void {
  const { log } = client.service.parts
  const session = client.id
  const message = incoming.queueId
  for (const choice of ignored) {
    client.record.step('route-ignored', { ...choice })
    log.warn('route-ignored', { session, message, ...choice })
  }
  for (const wish of byWish(overruled)) {
    client.record.step('discard-ignored', { ...wish })
    log.info('discard-ignored', { session, message, ...wish })
  }
  for (const { plugin, name } of leftOut) {
    client.record.step('tag-ignored', { plugin, name })
    log.warn('tag-ignored', { session, message, plugin, name })
  }
}

function noteDiscarded({ client, incoming }: Candidate, { discarded }: Accepted): void {
  for (const wish of byWish(discarded)) {
    client.record.step('discarded', { ...wish })
    client.service.parts.log.info('discarded', { session: client.id, message: incoming.queueId, ...wish })
  }
}

function noteLife({ client }: Candidate, { life }: Accepted): void {
  if (life === null) return
  const limitSeconds = client.policy.settings.queue.expireMs / 1_000
  client.record.step(life.seconds > limitSeconds ? 'expire-cut' : 'expires', { ...life, limitSeconds })
}

interface Wish {
  readonly plugin: string
  readonly reason: string
  readonly recipients: string[]
}

/** Recipients by the plugin and the reason they were to be discarded for; those of a `discard:` route are left out. */
function byWish(discarded: readonly Discarded[]): Iterable<Wish> {
  const wishes = new Map<string, Wish>()
  for (const { address, by } of discarded) {
    if (by === null) continue
    const key = `${by.plugin} ${by.reason}`
    const wish = wishes.get(key) ?? { ...by, recipients: [] }
    wish.recipients.push(address)
    wishes.set(key, wish)
  }
  return wishes.values()
}
