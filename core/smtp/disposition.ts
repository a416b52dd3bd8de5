/** What becomes of each recipient of an accepted message, by its route and by what plugins wanted: hold over discard. */
import { type Discard, firstDiscard, holdReason } from '../hooks/actions.ts'
import type { TakenAction } from '../hooks/runner.ts'
import { isDiscard, type RoutedRecipient } from './routes.ts'

export interface Disposition {
  /** Stored: they are sent to, or held. */
  readonly owed: readonly OwedRoute[]
  /** Settled at acceptance: nothing is stored for them. */
  readonly discarded: readonly Discarded[]
  /** A plugin wanted to discard these, and they are held. */
  readonly overruled: readonly Discarded[]
  /** Nobody knows a way to them. */
  readonly lost: readonly string[]
}

export interface OwedRoute {
  readonly address: string
  readonly route: string
  readonly hold: string | null
}

export interface Discarded {
  readonly address: string
  /** null: its route is `discard:`. */
  readonly by: Discard | null
}

/** The route of mail that is held because there is none: no destination is written like this. */
const NO_ROUTE = 'none:'

/** @param postmasterMailbox this address is held where it has no route: it is always accepted (RFC 5321 §4.5.1) */
export function dispositionOf(
  routed: readonly RoutedRecipient[],
  actions: readonly TakenAction[],
  postmasterMailbox: string,
): Disposition {
  const owed: OwedRoute[] = []
  const discarded: Discarded[] = []
  const overruled: Discarded[] = []
  const lost: string[] = []
  for (const { address, route } of routed) {
    const hold = holdReason(actions, address)
    const by = firstDiscard(actions, address)
    if (hold !== null && by !== null) overruled.push({ address, by })
    if (hold === null && by !== null) discarded.push({ address, by })
    else if (hold === null && route !== null && isDiscard(route)) discarded.push({ address, by: null })
    else if (route !== null) owed.push({ address, route, hold })
    else if (address === postmasterMailbox)
      owed.push({ address, route: NO_ROUTE, hold: hold ?? 'no mailbox for the postmaster' })
    else lost.push(address)
  }
  return { owed, discarded, overruled, lost }
}
