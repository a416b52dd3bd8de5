/** ESMTP parameters of a transaction that follow from the message: SMTPUTF8 (RFC 6531 §3.4) and DSN (RFC 3461 §5.2.1). */
import { formatMailDsn, formatRcptDsn } from '../mail/dsn-parameters.ts'
import type { Outgoing } from './channel.ts'
import type { EnvelopeParameters } from './smtp-connection.ts'

/** @param extensions what the next server offers */
export function envelopeParameters(
  { needs = [], dsn }: Outgoing,
  extensions: readonly string[],
): EnvelopeParameters {
  const isUtf8 = extensions.includes('SMTPUTF8')
  const utf8 = needs.includes('SMTPUTF8') ? ['SMTPUTF8'] : []
  if (dsn === undefined || !extensions.includes('DSN'))
    return { mail: utf8, rcpt: new Map<string, string[]>() }
  return {
    mail: [...utf8, ...formatMailDsn(dsn.envelope)],
    rcpt: new Map(
      Array.from(dsn.recipients, ([address, one]) => [address, formatRcptDsn(one, isUtf8)] as const),
    ),
  }
}
