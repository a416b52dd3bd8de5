/** Where mail goes next, in one line of text: `smtp://192.0.2.7:25`, `mx:example.com`, `maildir:/var/in`, `discard:`. */
import { isAbsolute, resolve } from 'node:path'
import { literalAddress, whyNotDomain } from './address.ts'

/** A destination mail can be handed to. What is not built has no kind here, so nobody can be asked to deliver it. */
export type Destination =
  /** `host` is an IPv4 or canonical IPv6 address, without brackets, or a lower-case host name. */
  | { readonly kind: 'smtp'; readonly host: string; readonly port: number }
  /** The mail exchangers of a domain: a lower-case name, or an address literal in brackets. */
  | { readonly kind: 'mx'; readonly domain: string }
  /** `path` is absolute. */
  | { readonly kind: 'maildir'; readonly path: string }
  /** Accepted and stored nowhere. */
  | { readonly kind: 'discard' }

const SMTP_PORT = 25
const MAX_HOST_NAME = 253
const SMTP_FORM = 'smtp:// needs a host and perhaps a port, as in smtp://192.0.2.7:25'
const MX_FORM = 'mx: needs a domain, as in mx:example.com'

/**
 * Reads a destination; a string is the reason why it is none, or why it does not work yet. A relative `maildir:`
 * starts at `folder`; without one it is refused.
 */
export function parseDestination(text: string, folder: string | null = null): Destination | string {
  const notBuilt = whyNotBuilt(text)
  if (notBuilt !== null) return notBuilt
  const { scheme, rest } = split(text)
  switch (scheme) {
    case 'smtp':
      return parseSmtp(rest)
    case 'mx':
      return parseMx(rest)
    case 'maildir':
      return parseMaildir(rest, folder)
    case 'discard':
      return rest === '' ? { kind: 'discard' } : 'nothing may follow discard:'
    case '':
      return 'a destination begins with smtp://, mx:, maildir: or discard:'
    default:
      return `there is no kind of destination called "${scheme}:", only smtp://, mx:, maildir: and discard:`
  }
}

/** Writes a destination so that equal ones are equal texts. */
export function formatDestination(destination: Destination): string {
  switch (destination.kind) {
    case 'smtp': {
      const { host, port } = destination
      return `smtp://${host.includes(':') ? `[${host}]` : host}:${port}`
    }
    case 'mx':
      return `mx:${destination.domain}`
    case 'maildir':
      return `maildir:${destination.path}`
    case 'discard':
      return 'discard:'
  }
}

/** Names what a well-formed destination would need that does not exist yet, as a sentence's beginning; else null. */
export function whyNotBuilt(text: string): string | null {
  const { scheme, rest } = split(text)
  if (scheme === 'lmtp' || scheme === 'lmtp+unix') return 'delivery over LMTP is not built yet'
  return scheme === 'smtp' && /^\/\/.*@/.test(rest) ? 'signing in to the next server is not built yet' : null
}

function split(text: string): { scheme: string; rest: string } {
  const colon = text.indexOf(':')
  const scheme = text.slice(0, Math.max(colon, 0))
  return /^[a-z][a-z0-9+]*$/i.test(scheme)
    ? { scheme: scheme.toLowerCase(), rest: text.slice(colon + 1) }
    : { scheme: '', rest: text }
}

function parseSmtp(rest: string): Destination | string {
  const match = /^\/\/(?:\[([^\]]*)\]|([^:[\]]*))(?::([0-9]*))?$/.exec(rest)
  if (match === null) return SMTP_FORM
  const [, literal, bare = '', digits = String(SMTP_PORT)] = match
  const host = literal === undefined ? (ipv4(bare) ?? hostName(bare)) : canonicalIPv6(literal)
  if (host === null) return SMTP_FORM
  const port = Number(digits)
  if (digits.length > 5 || port < 1 || port > 65_535) return 'a port is a number from 1 to 65535'
  return { kind: 'smtp', host, port }
}

function parseMx(domain: string): Destination | string {
  if (whyNotDomain(domain) !== null) return MX_FORM
  const address = literalAddress(domain)
  if (address === null) return { kind: 'mx', domain: domain.toLowerCase() }
  const six = canonicalIPv6(address)
  return { kind: 'mx', domain: six === null ? domain : `[IPv6:${six}]` }
}

function parseMaildir(path: string, folder: string | null): Destination | string {
  if (path === '') return 'maildir: needs a path'
  // oxlint-disable-next-line no-control-regex
  if (/[\x00-\x1f\x7f]/.test(path)) return 'the path has a control character'
  if (path.startsWith('~')) return '~ is not expanded, write the whole path'
  if (isAbsolute(path)) return { kind: 'maildir', path: resolve(path) }
  return folder === null ? 'the path must be absolute' : { kind: 'maildir', path: resolve(folder, path) }
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
