/** Follows one accepted message until every recipient's fate shows: delivered, held, or deferred and why. */
import { setTimeout as wait } from 'node:timers/promises'
import type { Control, QueueEntry, RecordedSession } from '../admin/control.ts'
import { MAX_LIST_LIMIT } from '../admin/control-call.ts'
import { attemptedRecipients } from './attempt-step.ts'

export interface RecipientFate {
  readonly address: string
  /** `waiting`: nothing showed in time. `refused` is said by the dialogue, before there is a message. */
  readonly state: 'delivered' | 'discarded' | 'held' | 'deferred' | 'bounced' | 'waiting' | 'refused'
  /** Where it lies, or why it waits; '' when unknown. */
  readonly detail: string
  readonly route: string | null
  readonly attempts: number | null
  /** Next attempt, milliseconds since 1970. */
  readonly dueAt: number | null
}

const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 500
/** Looks at the record after a recipient has left the queue: the note of it may come a moment later. */
const LOOKS_FOR_NOTE = 4

/**
 * Polls until the fate of every recipient shows, at most `timeoutMs` milliseconds.
 *
 * @param recipients addresses as they were accepted
 */
export async function watchDelivery(
  control: Pick<Control, 'queueList' | 'explain'>,
  queueId: string,
  recipients: readonly string[],
  timeoutMs: number,
): Promise<readonly RecipientFate[]> {
  const endsAt = performance.now() + timeoutMs
  let pauseMs = FIRST_PAUSE_MS
  let looksLeft = LOOKS_FOR_NOTE
  for (;;) {
    const entries = await control.queueList({ message: queueId }, MAX_LIST_LIMIT)
    const session = await control.explain(queueId)
    const fates = fatesOf(entries, session, recipients)
    if (fates.every(({ state }) => state !== 'waiting')) {
      const isComplete = session === null || fates.every(({ detail }) => detail !== '')
      if (isComplete || looksLeft-- === 0) return fates
    }
    const leftMs = endsAt - performance.now()
    if (leftMs <= 0) return fates
    await wait(Math.min(pauseMs, leftMs))
    pauseMs = Math.min(pauseMs * 1.5, LONGEST_PAUSE_MS)
  }
}

function fatesOf(
  entries: readonly QueueEntry[],
  session: RecordedSession | null,
  recipients: readonly string[],
): readonly RecipientFate[] {
  const queued = new Set(entries.map(({ address }) => address.toLowerCase()))
  // A plugin may have put another recipient in the place of one of ours: then ours never was in the queue.
  const gone = recipients.filter((address) => !queued.has(address.toLowerCase()))
  return [...entries.map(queuedFate), ...gone.map((address) => goneFate(address, session))]
}

function queuedFate({ address, state, leased, route, attempts, dueAt, detail }: QueueEntry): RecipientFate {
  const common = { address, detail, route, attempts }
  if (state !== 'due') return { ...common, state, dueAt: null }
  const wasTried = !leased && (attempts > 0 || detail !== '')
  return { ...common, state: wasTried ? 'deferred' : 'waiting', dueAt }
}

/** What is not in the queue is owed to nobody any more; how that came about stands in the record. */
function goneFate(address: string, session: RecordedSession | null): RecipientFate {
  const wanted = address.toLowerCase()
  for (const entry of (session?.entries ?? []).toReversed()) {
    const attempted = attemptedRecipients(entry).find(
      (recipient) => recipient.address.toLowerCase() === wanted,
    )
    if (attempted === undefined) continue
    const { result, detail, route } = attempted
    return {
      address,
      state: result === 'bounced' ? 'bounced' : 'delivered',
      detail,
      route,
      attempts: null,
      dueAt: null,
    }
  }
  const gone = { address, route: null, attempts: null, dueAt: null }
  if (session?.entries.some(wasDiscarded))
    return {
      ...gone,
      state: 'discarded',
      detail: 'taken and thrown away, as its route says',
      route: 'discard:',
    }
  return { ...gone, state: 'delivered', detail: '' }
}

/** The note of an acceptance that left recipients out of the queue: their route keeps nothing. */
function wasDiscarded(entry: RecordedSession['entries'][number]): boolean {
  return 'event' in entry && entry.event === 'queued' && Number(entry.detail['discarded']) > 0
}
