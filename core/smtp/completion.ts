/** What a submission server completes when the client left it out: Date and Message-ID (RFC 6409 §8.2, §8.3). */
import { formatField, parseHeaderFields } from '../mail/header-fields.ts'
import { mailDate } from '../mail/received.ts'

export interface Incomplete {
  /** Fields plugins put in front, as text. */
  readonly added: string
  /** What is left of the header as received. */
  readonly kept: Uint8Array
  readonly queueId: string
  readonly hostname: string
  /** Milliseconds since 1970. */
  readonly at: number
}

/** Whole fields with their line ends; '' when nothing is missing. */
export function missingFields({ added, kept, queueId, hostname, at }: Incomplete): string {
  const fields = [...parseHeaderFields(Buffer.from(added, 'latin1')), ...parseHeaderFields(kept)]
  const present = new Set(fields.map(({ name }) => name.toLowerCase()))
  const date = present.has('date') ? '' : formatField('Date', mailDate(at))
  return present.has('message-id') ? date : date + formatField('Message-ID', `<${queueId}@${hostname}>`)
}
