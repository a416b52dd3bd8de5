/**
 * DSN parameters of MAIL and RCPT (RFC 3461 §4): what a sender wants to be told, of what, and under which name. Addresses
 * beyond US-ASCII: RFC 6533 §3.
 */
import { decodeUtf8Address, encodeUtf8Address } from './utf8-address.ts'

/** How much of the message a failure notice brings back (RFC 3461 §4.3). */
export type DsnReturn = 'FULL' | 'HDRS'

/** What a sender may want to hear of (RFC 3461 §4.1). */
export type DsnEvent = 'SUCCESS' | 'FAILURE' | 'DELAY'

/** The parameters of MAIL. Plain data: what JSON makes of it is the same again. */
export interface DsnEnvelope {
  /** null: not given, so the choice is ours. */
  readonly ret: DsnReturn | null
  /** ENVID, decoded: printable US-ASCII. The sender's own name for this transaction. */
  readonly envid: string | null
}

/** ORCPT: whom the sender meant before anybody rewrote or forwarded. */
export interface OriginalRecipient {
  /** `rfc822` nearly always, `utf-8` for addresses beyond US-ASCII; as the sender wrote it. */
  readonly type: string
  /** Decoded: printable, US-ASCII but for `utf-8`, not necessarily an address of that type (RFC 3461 §4.2). */
  readonly address: string
}

/** The parameters of one RCPT. Plain data too. */
export interface DsnRecipient {
  /** Empty is NEVER; null: not given, see wantsNotice. */
  readonly notify: readonly DsnEvent[] | null
  readonly orcpt: OriginalRecipient | null
}

export const NO_DSN_ENVELOPE: DsnEnvelope = Object.freeze({ ret: null, envid: null })
export const NO_DSN_RECIPIENT: DsnRecipient = Object.freeze({ notify: null, orcpt: null })

/** `keyword=value`, or a keyword alone. */
export interface EsmtpParameter {
  readonly keyword: string
  readonly value: string | null
}

/** The DSN parameters taken out of all of them, or why they cannot be: what 501 5.5.4 says. */
export type Taken<Dsn> =
  | { readonly ok: true; readonly dsn: Dsn; readonly others: readonly EsmtpParameter[] }
  | { readonly ok: false; readonly reason: string }

/**
 * Longest value of ENVID and of ORCPT (RFC 3461 §4.4, §4.2), counted as they stand in the command: encoded. What we
 * pass on is never longer, so the next server has no reason to refuse it.
 */
export const MAX_ENVID_OCTETS = 100
export const MAX_ORCPT_OCTETS = 500

/** RFC 3461 §4: xtext. Lower-case hexadecimal digits are against the letter and harmless. */
const XTEXT = /^(?:[!-*,-<>-~]|\+[0-9A-Fa-f]{2})*$/
const NOT_XCHAR = /[^!-*,-<>-~]/g
const PRINTABLE = /^[\x20-\x7e]*$/
/** RFC 822 atom, without the equals sign that cannot stand in a parameter. */
const ADDRESS_TYPE = /^[A-Za-z0-9!#$%&'*+/?^_`{|}~-]+$/
const EVENTS: readonly DsnEvent[] = ['SUCCESS', 'FAILURE', 'DELAY']

/** Takes RET and ENVID out of the parameters of MAIL. */
export function takeMailDsn(parameters: readonly EsmtpParameter[]): Taken<DsnEnvelope> {
  const split = splitOff(parameters, ['RET', 'ENVID'])
  if (typeof split === 'string') return { ok: false, reason: split }
  const { given, others } = split
  const ret = given.get('RET')?.toUpperCase() ?? null
  if (ret !== null && ret !== 'FULL' && ret !== 'HDRS') return { ok: false, reason: 'RET is FULL or HDRS' }
  const envid = readEnvid(given.get('ENVID') ?? null)
  if (envid !== null && !envid.ok) return envid
  return { ok: true, dsn: { ret, envid: envid?.text ?? null }, others }
}

/** Takes NOTIFY and ORCPT out of the parameters of RCPT. */
export function takeRcptDsn(parameters: readonly EsmtpParameter[]): Taken<DsnRecipient> {
  const split = splitOff(parameters, ['NOTIFY', 'ORCPT'])
  if (typeof split === 'string') return { ok: false, reason: split }
  const { given, others } = split
  const notify = readNotify(given.get('NOTIFY') ?? null)
  if (typeof notify === 'string') return { ok: false, reason: notify }
  const orcpt = readOriginalRecipient(given.get('ORCPT') ?? null)
  if (typeof orcpt === 'string') return { ok: false, reason: orcpt }
  return { ok: true, dsn: { notify, orcpt }, others }
}

/** Parameters for MAIL to a server that offers DSN, in the form they are sent: `RET=HDRS`, `ENVID=…` (§5.2.1). */
export function formatMailDsn({ ret, envid }: DsnEnvelope): readonly string[] {
  return [...(ret === null ? [] : [`RET=${ret}`]), ...(envid === null ? [] : [`ENVID=${encodeXtext(envid)}`])]
}

/**
 * Parameters for RCPT to a server that offers DSN.
 *
 * @param isUtf8 whether it offers SMTPUTF8 too
 */
export function formatRcptDsn({ notify, orcpt }: DsnRecipient, isUtf8: boolean): readonly string[] {
  const events = notify?.length === 0 ? 'NEVER' : notify?.join(',')
  const original = orcpt === null ? null : formatOriginalRecipient(orcpt, isUtf8)
  return [
    ...(events === undefined ? [] : [`NOTIFY=${events}`]),
    ...(original === null ? [] : [`ORCPT=${original}`]),
  ]
}

/** null: in the form this server understands it would be longer than it may be. */
function formatOriginalRecipient({ type, address }: OriginalRecipient, isUtf8: boolean): string | null {
  const text = isUtf8Type(type) ? encodeUtf8Address(address, isUtf8) : encodeXtext(address)
  const original = `${type};${text}`
  return Buffer.byteLength(original) > MAX_ORCPT_OCTETS ? null : original
}

function isUtf8Type(type: string): boolean {
  return type.toLowerCase() === 'utf-8'
}

/** Whether the sender is to be told. Who did not say hears of failure and delay (RFC 3461 §4.1 leaves delay to us). */
export function wantsNotice({ notify }: DsnRecipient, event: DsnEvent): boolean {
  return notify === null ? event !== 'SUCCESS' : notify.includes(event)
}

/** Decodes xtext whose content is printable US-ASCII; null when it is anything else, control characters above all. */
export function decodeXtext(xtext: string): string | null {
  if (!XTEXT.test(xtext)) return null
  const text = xtext.replace(/\+(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return PRINTABLE.test(text) ? text : null
}

/** Encodes as xtext, with upper-case digits as RFC 3461 §4 has them. */
export function encodeXtext(text: string): string {
  const octets = Buffer.from(text).toString('latin1')
  return octets.replace(
    NOT_XCHAR,
    (octet) => `+${octet.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
}

interface Split {
  readonly given: ReadonlyMap<string, string>
  readonly others: readonly EsmtpParameter[]
}

/** A string is the reason why these parameters cannot stand together. */
function splitOff(parameters: readonly EsmtpParameter[], keywords: readonly string[]): Split | string {
  const given = new Map<string, string>()
  const others: EsmtpParameter[] = []
  for (const parameter of parameters) {
    const keyword = parameter.keyword.toUpperCase()
    if (!keywords.includes(keyword)) {
      others.push(parameter)
      continue
    }
    if (given.has(keyword)) return `${keyword} is given twice`
    if (parameter.value === null || parameter.value === '') return `${keyword} needs a value`
    given.set(keyword, parameter.value)
  }
  return { given, others }
}

type Text = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly reason: string }

function readEnvid(value: string | null): Text | null {
  if (value === null) return null
  if (value.length > MAX_ENVID_OCTETS)
    return { ok: false, reason: `ENVID is longer than ${MAX_ENVID_OCTETS} octets` }
  const text = decodeXtext(value)
  return text === null
    ? { ok: false, reason: 'ENVID is not printable US-ASCII encoded as xtext' }
    : { ok: true, text }
}

function readNotify(value: string | null): readonly DsnEvent[] | string | null {
  if (value === null) return null
  const words = value.toUpperCase().split(',')
  if (words.includes('NEVER')) return words.length === 1 ? [] : 'NOTIFY=NEVER stands alone'
  if (!words.every((word) => EVENTS.some((event) => event === word)))
    return 'NOTIFY is NEVER, or a list of SUCCESS, FAILURE and DELAY'
  // An event named twice is an event: the grammar allows it.
  return EVENTS.filter((event) => words.includes(event))
}

function readOriginalRecipient(value: string | null): OriginalRecipient | string | null {
  if (value === null) return null
  if (Buffer.byteLength(value) > MAX_ORCPT_OCTETS) return `ORCPT is longer than ${MAX_ORCPT_OCTETS} octets`
  const semicolon = value.indexOf(';')
  const type = value.slice(0, Math.max(semicolon, 0))
  if (!ADDRESS_TYPE.test(type)) return 'ORCPT needs an address type, as in rfc822;user@example.org'
  const text = value.slice(semicolon + 1)
  const address = isUtf8Type(type) ? decodeUtf8Address(text) : decodeXtext(text)
  if (address === null)
    return isUtf8Type(type)
      ? 'the address in ORCPT is not encoded as RFC 6533 has it'
      : 'the address in ORCPT is not printable US-ASCII encoded as xtext'
  return address.trim() === '' ? 'ORCPT has no address' : { type, address }
}
