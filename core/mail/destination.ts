/**
 * Where mail goes next, in one line of text: `smtp://192.0.2.7:25`, `smtps://user@mx.example.com:465`, `mx:example.com`,
 * `lmtp+unix:/run/lmtp`, `maildir:/var/in`, `discard:`. Such texts are stored and shown, so there is never a password
 * in them: the configuration keeps those beside them.
 */
import { isAbsolute, resolve } from 'node:path'
import { literalAddress, whyNotDomain } from './address.ts'

/** A destination mail can be handed to. `host` is an IPv4 or canonical IPv6 address, without brackets, or a lower-case name. */
export type Destination =
  /** `smtps` has TLS from the first octet on. `user`: whom we sign in as; null for nobody. */
  | {
      readonly kind: 'smtp' | 'smtps'
      readonly user: string | null
      readonly host: string
      readonly port: number
    }
  | { readonly kind: 'lmtp'; readonly host: string; readonly port: number }
  /** `path` is absolute: a Unix socket. */
  | { readonly kind: 'lmtp+unix'; readonly path: string }
  /** The mail exchangers of a domain: a lower-case name, or an address literal in brackets. */
  | { readonly kind: 'mx'; readonly domain: string }
  /** `path` is absolute. */
  | { readonly kind: 'maildir'; readonly path: string }
  /** Accepted and stored nowhere. */
  | { readonly kind: 'discard' }

/** When none is written; with a user `smtp` is submission (RFC 6409 §3.1, RFC 8314 §3.3). */
const PORTS = { smtp: 25, smtps: 465, lmtp: 24 } as const
const SUBMISSION_PORT = 587
const MAX_HOST_NAME = 253
/** Octets of a user or a password: what PLAIN allows is enough for everybody (RFC 4616 §2). */
const MAX_CREDENTIAL_BYTES = 255
const FORMS = {
  smtp: 'smtp:// needs a host and perhaps a port, as in smtp://192.0.2.7:25',
  smtps: 'smtps:// needs a host and perhaps a port, as in smtps://mail.example.com:465',
  lmtp: 'lmtp:// needs a host and perhaps a port, as in lmtp://192.0.2.7:24',
} as const
const MX_FORM = 'mx: needs a domain, as in mx:example.com'
const KINDS = 'smtp://, smtps://, lmtp://, lmtp+unix:, mx:, maildir: and discard:'
const BEGINNINGS = KINDS.replace(' and ', ' or ')

/**
 * Reads a destination; a string is the reason why it is none. A relative path starts at `folder`; without one it is
 * refused. A password is refused too: see `separatePassword`.
 */
export function parseDestination(text: string, folder: string | null = null): Destination | string {
  const { scheme, rest } = split(text)
  switch (scheme) {
    case 'smtp':
    case 'smtps':
      return parseSmtp(scheme, rest)
    case 'lmtp':
      return parseLmtp(rest)
    case 'lmtp+unix':
    case 'maildir':
      return parseFile(scheme, rest, folder)
    case 'mx':
      return parseMx(rest)
    case 'discard':
      return rest === '' ? { kind: 'discard' } : 'nothing may follow discard:'
    case '':
      return `a destination begins with ${BEGINNINGS}`
    default:
      return `there is no kind of destination called "${scheme}:", only ${KINDS}`
  }
}

/** Writes a destination so that equal ones are equal texts. */
export function formatDestination(destination: Destination): string {
  switch (destination.kind) {
    case 'smtp':
    case 'smtps': {
      const { kind, user } = destination
      return `${kind}://${user === null ? '' : `${encodeURIComponent(user)}@`}${formatHost(destination)}`
    }
    case 'lmtp':
      return `lmtp://${formatHost(destination)}`
    case 'mx':
      return `mx:${destination.domain}`
    case 'lmtp+unix':
    case 'maildir':
      return `${destination.kind}:${destination.path}`
    case 'discard':
      return 'discard:'
  }
}

/**
 * Takes the password out of `smtp://USER:PASSWORD@HOST` and `smtps://…`, percent-encoded as it may be (RFC 3986 §2.1).
 * The password ends at the last `@`. Only the configuration has such texts.
 *
 * @returns the destination without it; a string is the reason why it is no password, and does not repeat it
 */
export function separatePassword(
  text: string,
): { readonly destination: string; readonly password: string | null } | string {
  const { scheme, rest } = split(text)
  const end = rest.lastIndexOf('@')
  const colon = rest.indexOf(':')
  const hasPassword = (scheme === 'smtp' || scheme === 'smtps') && colon >= 0 && colon < end
  if (!hasPassword) return { destination: text, password: null }
  const password = decoded(rest.slice(colon + 1, end))
  if (typeof password !== 'string') return `the password ${password.reason}`
  return { destination: `${scheme}:${rest.slice(0, colon)}${rest.slice(end)}`, password }
}

function split(text: string): { scheme: string; rest: string } {
  const colon = text.indexOf(':')
  const scheme = text.slice(0, Math.max(colon, 0))
  return /^[a-z][a-z0-9+]*$/i.test(scheme)
    ? { scheme: scheme.toLowerCase(), rest: text.slice(colon + 1) }
    : { scheme: '', rest: text }
}

function parseSmtp(kind: 'smtp' | 'smtps', rest: string): Destination | string {
  const end = rest.lastIndexOf('@')
  if (end < 0) {
    const where = parseHost(rest, PORTS[kind], FORMS[kind])
    return typeof where === 'string' ? where : { kind, user: null, ...where }
  }
  if (!rest.startsWith('//')) return FORMS[kind]
  if (rest.slice(0, end).includes(':'))
    return 'a password stands in the configuration alone, and the route without it'
  const user = decoded(rest.slice(2, end))
  if (typeof user !== 'string') return `the user ${user.reason}`
  const port = kind === 'smtp' ? SUBMISSION_PORT : PORTS[kind]
  const where = parseHost(`//${rest.slice(end + 1)}`, port, FORMS[kind])
  return typeof where === 'string' ? where : { kind, user, ...where }
}

function parseLmtp(rest: string): Destination | string {
  const where = parseHost(rest, PORTS.lmtp, FORMS.lmtp)
  return typeof where === 'string' ? where : { kind: 'lmtp', ...where }
}

function parseHost(rest: string, usual: number, form: string): { host: string; port: number } | string {
  const match = /^\/\/(?:\[([^\]]*)\]|([^:[\]]*))(?::([0-9]*))?$/.exec(rest)
  if (match === null) return form
  const [, literal, bare = '', digits = String(usual)] = match
  const host = literal === undefined ? (ipv4(bare) ?? hostName(bare)) : canonicalIPv6(literal)
  if (host === null) return form
  const port = Number(digits)
  if (digits.length > 5 || port < 1 || port > 65_535) return 'a port is a number from 1 to 65535'
  return { host, port }
}

function formatHost({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** What SASL can carry in any mechanism: text without control characters. */
function decoded(text: string): string | { readonly reason: string } {
  if (text === '') return { reason: 'is empty' }
  let plain: string
  try {
    plain = decodeURIComponent(text)
  } catch {
    return { reason: 'is not percent-encoded as it should be: a % is written %25' }
  }
  // oxlint-disable-next-line no-control-regex
  if (/[\x00-\x1f\x7f]/.test(plain) || !plain.isWellFormed()) return { reason: 'has a control character' }
  if (Buffer.byteLength(plain) > MAX_CREDENTIAL_BYTES)
    return { reason: `is longer than ${MAX_CREDENTIAL_BYTES} octets` }
  return plain
}

function parseMx(domain: string): Destination | string {
  if (whyNotDomain(domain) !== null) return MX_FORM
  const address = literalAddress(domain)
  if (address === null) return { kind: 'mx', domain: domain.toLowerCase() }
  const six = canonicalIPv6(address)
  return { kind: 'mx', domain: six === null ? domain : `[IPv6:${six}]` }
}

function parseFile(kind: 'maildir' | 'lmtp+unix', path: string, folder: string | null): Destination | string {
  if (path === '') return `${kind}: needs a path`
  // oxlint-disable-next-line no-control-regex
  if (/[\x00-\x1f\x7f]/.test(path)) return 'the path has a control character'
  if (path.startsWith('~')) return '~ is not expanded, write the whole path'
  if (isAbsolute(path)) return { kind, path: resolve(path) }
  return folder === null ? 'the path must be absolute' : { kind, path: resolve(folder, path) }
}

function ipv4(text: string): string | null {
  if (text.toLowerCase() === 'localhost') return '127.0.0.1'
  return isIPv4(text) ? text : null
}

/** A name whose last label is no number, or it would be a misspelt address. */
function hostName(text: string): string | null {
  if (text.length > MAX_HOST_NAME || whyNotDomain(text) !== null) return null
  return /[a-z][^.]*$/i.test(text) ? text.toLowerCase() : null
}

function isIPv4(text: string): boolean {
  return whyNotDomain(`[${text}]`) === null && !text.includes(':')
}

/** One address, one text: the URL parser writes the form of RFC 5952. */
function canonicalIPv6(text: string): string | null {
  if (whyNotDomain(`[IPv6:${text}]`) !== null || !URL.canParse(`http://[${text}]`)) return null
  return new URL(`http://[${text}]`).hostname.slice(1, -1)
}
