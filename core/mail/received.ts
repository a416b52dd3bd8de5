/** The Received trace field and the hop count (RFC 5321 §4.4, §6.3). */
import { isAscii } from './address.ts'
import { printable } from './reply.ts'
import type { Session } from './session.ts'

/** A continuation line starts with white space, so it never looks like this. */
const RECEIVED_NAME = /^received[ \t]*:/gim

export interface ReceivedFacts {
  readonly session: Session
  readonly hostname: string
  readonly queueId: string
  /** The one recipient, null with several: nobody is told about the others. */
  readonly recipient: string | null
  /** Milliseconds since 1970. */
  readonly at: number
  /** SMTPUTF8 was asked for. */
  readonly isUtf8?: boolean
}

/** The whole field with its folding and final CRLF. */
export function receivedField({ session, hostname, queueId, recipient, at, isUtf8 }: ReceivedFacts): string {
  const hello = session.hello
  const address = session.client.address.includes(':')
    ? `IPv6:${session.client.address}`
    : session.client.address
  const name = printable(hello?.name ?? 'unknown').replace(/[()\\\s]/g, '?')
  const protocol = protocolName(session, isUtf8 === true)
  // A recipient beyond US-ASCII would make a header of UTF-8 of one that is none.
  const target = recipient === null || !isAscii(recipient) ? '' : `\r\n\tfor <${recipient}>`
  return (
    `Received: from ${name} ([${address}])\r\n` +
    `\tby ${hostname} with ${protocol} id ${queueId}${target};\r\n` +
    `\t${mailDate(at)}\r\n`
  )
}

/** Hops so far, counted in a header block: what a loop is recognized by. */
export function receivedHops(header: Uint8Array): number {
  const text = Buffer.from(header.buffer, header.byteOffset, header.byteLength).toString('latin1')
  return text.match(RECEIVED_NAME)?.length ?? 0
}

/** RFC 5322 §3.3 date-time in UTC. */
export function mailDate(at: number): string {
  return new Date(at).toUTCString().replace('GMT', '+0000')
}

/** RFC 3848: S for TLS, A for authenticated; RFC 6531 §4.3: UTF8SMTP; SMTP after HELO, which has neither. */
function protocolName({ hello, tls, identity }: Session, isUtf8: boolean): string {
  if (hello?.verb === 'HELO') return 'SMTP'
  const isLmtp = hello?.verb === 'LHLO'
  const base = isUtf8 ? (isLmtp ? 'UTF8LMTP' : 'UTF8SMTP') : isLmtp ? 'LMTP' : 'ESMTP'
  return `${base}${tls === null ? '' : 'S'}${identity === null ? '' : 'A'}`
}
