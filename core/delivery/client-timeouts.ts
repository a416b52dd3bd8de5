/** How long a client waits for the next server. */

/** Milliseconds (RFC 5321 §4.5.3.2). */
export interface ClientTimeouts {
  /** For the TCP connection. */
  readonly connectMs: number
  /** From the connection to the greeting. */
  readonly greetingMs: number
  /** For the replies to EHLO, HELO and RSET. */
  readonly commandMs: number
  /** Without a byte in either direction; the reply to the final dot may take this long. */
  readonly idleMs: number
  /** For a transaction as a whole, so that a remote which trickles gives the connection back one day. */
  readonly transactionMs: number
}

export const CLIENT_TIMEOUTS: ClientTimeouts = Object.freeze({
  connectMs: 30_000,
  greetingMs: 60_000,
  commandMs: 300_000,
  idleMs: 600_000,
  transactionMs: 3_600_000,
})
