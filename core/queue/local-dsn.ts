/** DSN parameters as columns of the local store: JSON, or NULL where the client gave none. */
import {
  type DsnEnvelope,
  type DsnRecipient,
  NO_DSN_ENVELOPE,
  NO_DSN_RECIPIENT,
} from '../mail/dsn-parameters.ts'

export function envelopeColumn(dsn: DsnEnvelope): string | null {
  return dsn.ret === null && dsn.envid === null ? null : JSON.stringify(dsn)
}

export function recipientColumn(dsn: DsnRecipient): string | null {
  return dsn.notify === null && dsn.orcpt === null ? null : JSON.stringify(dsn)
}

export function envelopeOf(column: unknown): DsnEnvelope {
  return { ...NO_DSN_ENVELOPE, ...parsed(column) }
}

export function recipientOf(column: unknown): DsnRecipient {
  return { ...NO_DSN_RECIPIENT, ...parsed(column) }
}

/** What cannot be read is as good as not given: it must not keep the mail from leaving. */
function parsed(column: unknown): object {
  try {
    const value: unknown = typeof column === 'string' ? JSON.parse(column) : null
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}
