/** The port to whoever may decide about mail before it is attempted. Delivery knows no plugins. */
import type { Delivery } from '../queue/queue-store.ts'
import type { Met } from './outcome.ts'

/** What was decided about one delivery. Nothing but `go` is an attempt. */
export type Ruling =
  | { readonly kind: 'go' }
  /** Not now. `waitMs` null: when the queue would try again after an attempt that failed. */
  | { readonly kind: 'wait'; readonly met: Met; readonly waitMs: number | null }
  /** Given up for all recipients, as after a permanent refusal of the next server. */
  | { readonly kind: 'bounce'; readonly met: Met }
  /** Kept for these recipients, by address, until an operator lets them go; the others are asked about again. */
  | { readonly kind: 'hold'; readonly reasons: ReadonlyMap<string, string> }
  /** Another route for these recipients, by address; the others are asked about again. */
  | { readonly kind: 'reroute'; readonly routes: ReadonlyMap<string, string>; readonly reason: string }

export interface DeliveryPolicy {
  /** Whether anybody would be asked: without, mail takes no detour. */
  isAsked(): boolean
  /** Never rejects; may take as long as it likes, leases are renewed meanwhile. */
  decide(delivery: Delivery): Promise<Ruling>
}

/** What became of some recipients, told after it was written down. */
export interface SettledWork {
  readonly delivery: Delivery
  /** Address and port, or path; null: there was no attempt. */
  readonly remote: string | null
  readonly recipients: readonly SettledRecipient[]
}

export interface SettledRecipient {
  readonly address: string
  readonly result: 'delivered' | 'deferred' | 'bounced' | 'held' | 'rerouted'
  readonly detail: string
  /** It ends because its time is over. */
  readonly expired: boolean
}

/** Hears what became of mail. May neither throw nor be waited for. */
export interface OutcomeListener {
  settled(work: SettledWork): void
}

export const GO: Ruling = Object.freeze({ kind: 'go' })
export const NO_POLICY: DeliveryPolicy = Object.freeze({
  isAsked: () => false,
  decide: () => Promise.resolve(GO),
})
export const NO_LISTENER: OutcomeListener = Object.freeze({ settled: () => {} })
