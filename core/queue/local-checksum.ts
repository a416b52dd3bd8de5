/**
 * Checksums of what the local store keeps (CRC-32): a database finds a page that cannot be read, not an octet that is
 * another one. What does not match any more is never sent. Rows of older releases have none and are believed.
 */
import { crc32 } from 'node:zlib'

/** What of a message never changes, its octets apart. */
export interface EnvelopeFacts {
  readonly id: string
  readonly acceptedAt: number
  readonly reversePath: string
  readonly sizeBytes: number
  /** Columns as stored. */
  readonly origin: string
  readonly contentOffset: number
  readonly spool: string | null
  readonly spoolSizeBytes: number
  readonly dsn: string | null
}

/** What of a recipient changes only with its route. */
export interface RecipientFacts {
  readonly message: string
  readonly position: number
  readonly address: string
  readonly route: string
  /** Column as stored. */
  readonly dsn: string | null
}

export function envelopeChecksum(facts: EnvelopeFacts): number {
  const { id, acceptedAt, reversePath, sizeBytes, origin, contentOffset, spool, spoolSizeBytes, dsn } = facts
  return crc32(
    [id, acceptedAt, reversePath, sizeBytes, origin, contentOffset, spool, spoolSizeBytes, dsn].join('\0'),
  )
}

export function recipientChecksum({ message, position, address, route, dsn }: RecipientFacts): number {
  return crc32([message, position, address, route, dsn].join('\0'))
}

/** Of the head, and of the body where the database has it; null where a spool file has. */
export function contentChecksum(head: Uint8Array, body: Uint8Array | null): number {
  const sum = crc32(head)
  return body === null ? sum : crc32(body, sum)
}

/** Whether what was found is what was stored, as far as that is known. */
export function isAsStored(stored: unknown, found: number): boolean {
  return stored === null || stored === found
}
