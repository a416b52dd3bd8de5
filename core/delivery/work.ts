/** Work: one claimed delivery while this worker has it in hand. */
import type { StoredContent } from '../mail/message.ts'
import type { Delivery } from '../queue/queue-store.ts'

export class Work {
  readonly delivery: Delivery
  /** The content when it is in memory; otherwise it is read for the attempt. */
  stored: StoredContent | null
  /** When the lease ends, milliseconds since 1970; moves with every renewal. */
  leaseUntil: number
  /** The drain could not wait for it any longer: it goes back untouched. */
  isAbandoned = false
  /** What to interrupt when the lease is lost; set while a message is being carried. */
  onLost: (() => void) | null = null
  #isLost = false

  constructor(delivery: Delivery, stored: StoredContent | null) {
    this.delivery = delivery
    this.stored = stored
    this.leaseUntil = delivery.leaseUntil
  }

  /** Somebody else has claimed it: it may not be attempted nor settled here any more. */
  get isLost(): boolean {
    return this.#isLost
  }

  lose(): void {
    this.#isLost = true
    this.onLost?.()
  }
}

/** Octets of memory a content takes: a spooled body takes none. */
export function memoryBytes(stored: StoredContent | null): number {
  if (stored === null) return 0
  const { head, content } = stored
  return head.byteLength + (content.kind === 'inline' ? content.bytes.byteLength : 0)
}
