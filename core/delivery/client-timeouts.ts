/** How long a client waits for the next server. */

/** Milliseconds (RFC 5321 §4.5.3.2). */
export interface ClientTimeouts {
  /** For the TCP connection, of which the RFC says nothing. */
  readonly connectMs: number
  /** From the connection to the greeting (§4.5.3.2.1). */
  readonly greetingMs: number
  /** For the replies to EHLO, HELO, LHLO, STARTTLS, AUTH and RSET, each with what belongs to it. */
  readonly commandMs: number
  /** §4.5.3.2.2. */
  readonly mailMs: number
  /** For the reply to each RCPT (§4.5.3.2.3). */
  readonly rcptMs: number
  /** For the reply to DATA itself (§4.5.3.2.4). */
  readonly dataMs: number
  /** For each piece of the message, at most BODY_PIECE_BYTES, to leave (§4.5.3.2.5). */
  readonly blockMs: number
  /** For the reply to the final dot; of LMTP, for each of them (§4.5.3.2.6). */
  readonly dotMs: number
  /** For a transaction as a whole, so that a remote which trickles gives the connection back one day. */
  readonly transactionMs: number
}
