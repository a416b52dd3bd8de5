/** One query put to one server: what a transport is asked and what it brings back. */
import type { Query } from './query.ts'
import type { DnsServer } from './servers.ts'

export interface Errand {
  readonly server: DnsServer
  readonly query: Query
  /** From beginning to end, milliseconds. */
  readonly timeoutMs: number
  /** Ends the errand at once. */
  readonly signal: AbortSignal
}

export type Brought =
  /** It answers the query; nothing behind its question is checked. */
  | { readonly kind: 'message'; readonly message: Buffer }
  /** A datagram does not do: too large, or it cannot be told from a forged one. */
  | { readonly kind: 'over-tcp' }
  /** The server said nothing that can be used. */
  | { readonly kind: 'nothing'; readonly reason: string }

/** Settles with the first thing brought; later ones are ignored. The timer and the signal bring something too. */
export function errandEnd({ timeoutMs, signal }: Errand): {
  readonly brought: Promise<Brought>
  readonly bring: (brought: Brought) => void
} {
  const { promise, resolve } = Promise.withResolvers<Brought>()
  const timer = setTimeout(() => resolve(nothing(`no answer within ${timeoutMs} ms`)), timeoutMs)
  const onAbort = (): void => resolve(nothing('given up'))
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  const brought = promise.finally(() => {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  })
  return { brought, bring: resolve }
}

export function nothing(reason: string): Brought {
  return { kind: 'nothing', reason }
}
