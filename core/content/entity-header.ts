/** What the header of an entity says about its content (RFC 2045 §3, RFC 2183). */
import { parseHeaderFields } from '../mail/header-fields.ts'
import type { PartFlag } from '../mail/message-parts.ts'
import { type ContentField, parseContentField } from './content-field.ts'

export interface EntityHeader {
  readonly type: ContentField
  readonly disposition: ContentField | null
  /** Lower-cased, without comments. */
  readonly encoding: string
  readonly flags: readonly PartFlag[]
}

const READ = ['content-type', 'content-disposition', 'content-transfer-encoding']
const MEDIA_TYPE = /^[^\s/;]{1,127}\/[^\s/;]{1,127}$/

/**
 * @param block       header lines, ending in CRLF or LF
 * @param defaultType when none is declared: message/rfc822 inside a digest (RFC 2046 §5.1.5)
 */
export function readEntityHeader(block: Buffer, defaultType: string): EntityHeader {
  const flags = new Set<PartFlag>()
  const values = new Map<string, string>()
  for (const { name, value } of parseHeaderFields(withCrlf(block))) {
    const lower = name.toLowerCase()
    if (!READ.includes(lower)) continue
    if (values.has(lower)) flags.add('field-repeated')
    else values.set(lower, value)
  }
  const declared = parseContentField(values.get('content-type') ?? defaultType)
  // RFC 2045 §5.2: what cannot be read is plain text; its parameters may name a file all the same.
  const type = MEDIA_TYPE.test(declared.value) ? declared : { ...declared, value: defaultType }
  const dispositionText = values.get('content-disposition')
  const disposition = dispositionText === undefined ? null : parseContentField(dispositionText)
  if (type.isParameterRepeated || disposition?.isParameterRepeated === true) flags.add('parameter-repeated')
  const encoding = parseContentField(values.get('content-transfer-encoding') ?? '7bit').value
  return { type, disposition, encoding, flags: [...flags] }
}

function withCrlf(block: Buffer): Buffer {
  return Buffer.from(block.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1')
}
