/** Mailbox addresses as they stand in MAIL and RCPT (RFC 5321 §4.1.2, lengths §4.5.3.1; beyond US-ASCII RFC 6531 §3.3). */
import { domainToASCII, domainToUnicode } from 'node:url'

/** A mailbox. `domain` is lower-cased, or an address literal in brackets; '' only for a bare Postmaster. */
export interface Address {
  readonly localPart: string
  readonly domain: string
}

/** A path taken off the front of a MAIL or RCPT argument, and what stands behind it. */
export type ParsedPath =
  | { readonly ok: true; readonly address: Address | null; readonly rest: string }
  | { readonly ok: false; readonly reason: string }

const MAX_LOCAL_PART_BYTES = 64
const MAX_DOMAIN_BYTES = 255
const MAX_PATH_BYTES = 256

const ATOM = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+$/
/** With UTF8-non-ascii; what is invisible or moves the cursor is no letter of anybody's name. */
const UTF8_ATOM = /^(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]|[^\p{ASCII}\p{Cc}\p{Cs}\p{Z}])+$/u
// oxlint-disable-next-line no-control-regex
const NON_ASCII = /[^\x00-\x7f]/
const LABEL = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)$/

/**
 * Reads `<path>` from the start of `text`. The null reverse-path `<>` gives `address: null`; whether that is
 * allowed is the caller's knowledge. A source route is accepted and dropped (RFC 5321 Appendix C). Addresses beyond
 * US-ASCII are read too: whether they are allowed is the caller's knowledge as well.
 */
export function parsePath(text: string): ParsedPath {
  if (!text.startsWith('<')) return bad('a path must stand in angle brackets')
  const end = endOfPath(text)
  if (end < 0) return bad('the closing angle bracket is missing')
  const rest = text.slice(end + 1)
  if (rest !== '' && !rest.startsWith(' ')) return bad('a space must follow the path')
  const inner = text.slice(1, end)
  if (inner === '') return { ok: true, address: null, rest }
  if (Buffer.byteLength(inner) > MAX_PATH_BYTES - 2) return bad('the path is longer than 256 octets')
  const mailbox = withoutSourceRoute(inner)
  if (mailbox === null) return bad('the source route is malformed')
  if (/^postmaster$/i.test(mailbox)) return { ok: true, address: { localPart: mailbox, domain: '' }, rest }
  const parsed = parseAnyMailbox(mailbox)
  return typeof parsed === 'string' ? bad(parsed) : { ok: true, address: parsed, rest }
}

/** Reads `local-part@domain` in US-ASCII; a string is the reason why it is none. */
export function parseMailbox(text: string): Address | string {
  return isAscii(text) ? parseAnyMailbox(text) : 'the address is not US-ASCII'
}

/** The same with UTF8-non-ascii in the local part; a domain in U-labels is written in A-labels (RFC 6531 §3.3). */
export function parseUtf8Mailbox(text: string): Address | string {
  return parseAnyMailbox(text)
}

/** Whether there is nothing in it that needs SMTPUTF8 (RFC 6531). */
export function isAscii(text: string): boolean {
  return !NON_ASCII.test(text)
}

/** A domain in U-labels is written in A-labels from here on, so that one domain is one text (RFC 5891 §4.4). */
function parseAnyMailbox(text: string): Address | string {
  const at = text.startsWith('"') ? endOfQuotedString(text) + 1 : text.indexOf('@')
  if (at <= 0 || text[at] !== '@') return 'an address needs the form local-part@domain'
  const localPart = text.slice(0, at)
  const domain = inALabels(text.slice(at + 1))
  if (domain === null) return 'the domain is not a valid host name'
  if (Buffer.byteLength(localPart) > MAX_LOCAL_PART_BYTES) return 'the local part is longer than 64 octets'
  if (!localPart.startsWith('"') && !isDotString(localPart))
    return 'the local part has a character that needs quoting'
  const reason = whyNotDomain(domain)
  return reason ?? { localPart, domain: domain.toLowerCase() }
}

function isDotString(localPart: string): boolean {
  const atom = isAscii(localPart) ? ATOM : UTF8_ATOM
  return localPart.split('.').every((part) => atom.test(part))
}

/** null when it is none: what is changed on the way there and back has two spellings (RFC 5890 §2.3.2.1). */
function inALabels(domain: string): string | null {
  if (isAscii(domain)) return domain
  const ascii = domainToASCII(domain)
  const isOneSpelling = domainToUnicode(ascii) === domain.normalize('NFC').toLowerCase()
  return ascii !== '' && isOneSpelling ? ascii : null
}

/** Writes an address as it stands in an envelope; the null reverse-path is ''. */
export function formatAddress(address: Address | null): string {
  if (address === null) return ''
  return address.domain === '' ? address.localPart : `${address.localPart}@${address.domain}`
}

/** The domain of a formatted address, '' when it has none. */
export function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1 || address.length)
}

/** Why `text` is neither a domain name nor an address literal; null when it is one. */
export function whyNotDomain(text: string): string | null {
  if (text.length > MAX_DOMAIN_BYTES) return 'the domain is longer than 255 octets'
  if (text.startsWith('[')) return isAddressLiteral(text) ? null : 'the address literal is malformed'
  if (!text.split('.').every((label) => LABEL.test(label))) return 'the domain is not a valid host name'
  return null
}

/** The IP address in an address literal, as it stands there; null for a domain name. */
export function literalAddress(domain: string): string | null {
  return domain.startsWith('[') && domain.endsWith(']') ? domain.slice(1, -1).replace(/^ipv6:/i, '') : null
}

function isAddressLiteral(text: string): boolean {
  if (!text.endsWith(']')) return false
  const inside = text.slice(1, -1)
  if (/^ipv6:/i.test(inside)) return isIPv6(inside.slice(5))
  return IPV4.test(inside)
}

/** RFC 5321 §4.1.3: eight groups, or fewer around one `::`, the last two of them possibly dotted. */
function isIPv6(text: string): boolean {
  const halves = text.split('::')
  if (halves.length > 2) return false
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')))
  const last = groups.at(-1)
  const dotted = last !== undefined && IPV4.test(last)
  const hex = dotted ? groups.slice(0, -1) : groups
  if (!hex.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return false
  const count = hex.length + (dotted ? 2 : 0)
  return halves.length === 2 ? count <= 7 : count === 8
}

function withoutSourceRoute(inner: string): string | null {
  if (!inner.startsWith('@')) return inner
  const colon = inner.indexOf(':')
  if (colon < 0) return null
  const hops = inner.slice(0, colon).split(',')
  const wellFormed = hops.every((hop) => hop.startsWith('@') && whyNotDomain(hop.slice(1)) === null)
  return wellFormed ? inner.slice(colon + 1) : null
}

/** Index of the `>` that ends the path: one inside a quoted string does not. */
function endOfPath(text: string): number {
  for (let i = 1; i < text.length; i++) {
    const char = text[i]
    if (char === '>') return i
    if (char === '"') {
      const end = endOfQuotedString(text.slice(i))
      if (end < 0) return -1
      i += end
    }
  }
  return -1
}

/** Index of the closing quote of a quoted string (RFC 5321 §4.1.2 qcontentSMTP), -1 when there is none. */
function endOfQuotedString(text: string): number {
  for (let i = 1; i < text.length; i++) {
    if (text[i] === '"') return i
    if (text[i] === '\\') i++
    const code = text.charCodeAt(i)
    // NaN, behind the end, is not in the range either.
    if (!((code >= 0x20 && code <= 0x7e) || code >= 0xa0)) return -1
  }
  return -1
}

function bad(reason: string): ParsedPath {
  return { ok: false, reason }
}
