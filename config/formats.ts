/** The formats of settings: what a text must be, and what is said when it is not. */
import { parseMailbox, whyNotDomain } from '../core/mail/address.ts'
import { type Destination, parseDestination, separatePassword } from '../core/mail/destination.ts'
import { parseDuration } from './durations.ts'
import { parseDnsServer, parseEndpoint } from './endpoint.ts'
import { isOpenToTheInternet, networkMeant, parseNetwork } from './network.ts'
import type { ProblemCode } from './problem.ts'
import { parseSize } from './sizes.ts'
import { closest } from './suggestion.ts'

/** Why a text does not fit. */
export interface Misfit {
  readonly code: ProblemCode
  /** Goes on after "expected …, but". */
  readonly reason: string | null
  /** Says it in a sentence of its own instead. */
  readonly sentence?: string
  readonly remedy?: string
}

export interface Format {
  /** What belongs here: "expected …". */
  readonly expected: string
  readonly example: string
  readonly misfit: (text: string) => Misfit | null
}

const MIN_SECRET_CHARS = 8
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\x00-\x1f\x7f]/
const DURATIONS = 'a duration such as 250ms, 60s, 5m, 2h or 5d'
const SCHEMES = ['smtp', 'smtps', 'lmtp', 'lmtp+unix', 'mx', 'maildir', 'discard']
const DESTINATIONS =
  'smtp://HOST:PORT, smtps://HOST, lmtp://HOST:PORT, lmtp+unix:PATH, mx:DOMAIN, maildir:PATH or discard:'
const ENDPOINT_EXAMPLE = '"127.0.0.1:2525"'
const EVERY_ADDRESS = 'write "0.0.0.0:PORT" for every IPv4 address of this machine, "[::]:PORT" for IPv6'

export const FORMATS = {
  duration: {
    expected: DURATIONS,
    example: '60s',
    misfit: (text) => (parseDuration(text) === null ? whyNotDuration(text) : null),
  },
  size: {
    expected: 'a size such as 25MiB, 10KB or a number of bytes',
    example: '25MiB',
    misfit: (text) => (parseSize(text) === null ? whyNotSize(text) : null),
  },
  endpoint: {
    expected: `an IP address and a port such as ${ENDPOINT_EXAMPLE} or "[::1]:2525"`,
    example: ENDPOINT_EXAMPLE,
    misfit: whyNotEndpoint,
  },
  'endpoint-or-off': {
    expected: 'an IP address and a port such as "127.0.0.1:8025", or off',
    example: '"127.0.0.1:8025"',
    misfit: (text) => (text === 'off' ? null : whyNotEndpoint(text)),
  },
  network: {
    expected: 'a network such as 10.0.0.0/8 or "2001:db8::/32"',
    example: '127.0.0.0/8',
    misfit: whyNotTrustedNetwork,
  },
  'inside-network': {
    expected: 'a network such as 10.0.0.0/8 or "2001:db8::/32"',
    example: '10.0.0.0/8',
    misfit: (text) => {
      const network = parseNetwork(text)
      return typeof network === 'string' ? whyNotNetwork(network) : null
    },
  },
  'dns-server': {
    expected: 'an IP address and perhaps a port such as "127.0.0.1:53"',
    example: '127.0.0.1:53',
    misfit: (text) => {
      const parsed = parseDnsServer(text)
      return typeof parsed === 'string' ? { code: 'P1120', reason: parsed } : null
    },
  },
  destination: {
    expected: DESTINATIONS,
    example: 'smtp://192.0.2.25:25',
    misfit: whyNotDestination,
  },
  route: {
    expected: `mx, ${DESTINATIONS}`,
    example: 'mx',
    misfit: (text) => (text === 'mx' ? null : whyNotDestination(text)),
  },
  hostname: {
    expected: 'a host name with a domain such as mx.example.test',
    example: 'mx.example.test',
    misfit: (text) => (isHostname(text) ? null : { code: 'P1129', reason: null }),
  },
  mailbox: {
    expected: 'a mail address such as admin@example.test',
    example: 'admin@example.test',
    misfit: (text) => {
      const parsed = parseMailbox(text)
      return typeof parsed === 'string' ? { code: 'P1131', reason: parsed } : null
    },
  },
  secret: {
    expected: 'a secret of at least 8 characters and no control character, as a reference',
    example: '${env:API_KEY}',
    // What comes back from servers is masked by its value, which a short one would garble.
    misfit: whyNotSecret,
  },
  name: {
    expected: 'a name of small letters, digits and hyphens',
    example: 'relay-control',
    misfit: (text) => (isName(text) ? null : { code: 'P1132', reason: null }),
  },
  path: { expected: 'a path', example: './var', misfit: whyNotPath },
  auto: {
    expected: 'auto or a number',
    example: 'auto',
    misfit: (text) => (text === 'auto' ? null : { code: 'P1106', reason: null }),
  },
  off: {
    expected: 'off or a group of settings',
    example: 'off',
    misfit: (text) => (text === 'off' ? null : { code: 'P1106', reason: null }),
  },
} as const satisfies Record<string, Format>

/** Formats as the schema's compiler wants them. */
export const FORMAT_TESTS = Object.fromEntries(
  Object.entries(FORMATS).map(([name, { misfit }]) => [name, (text: string) => misfit(text) === null]),
)

/** Undefined for a name that is none. */
export function formatNamed(name: unknown): Format | undefined {
  return Object.entries(FORMATS).find(([known]) => known === name)?.[1]
}

/** A host name of two labels or more that is no IP address (RFC 5321 §2.3.5). */
export function isHostname(text: string): boolean {
  return whyNotDomain(text) === null && /^[^[]+\.[^.]*[a-z][^.]*$/i.test(text) && text.length <= 253
}

export function isName(text: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/.test(text)
}

function whyNotDuration(text: string): Misfit {
  if (/^\d+$/.test(text)) return { code: 'P1126', reason: 'the unit is missing', remedy: `write ${text}s` }
  return { code: 'P1126', reason: null }
}

function whyNotSize(text: string): Misfit {
  const short = /^(\d+)\s*([kmg])i?b?$/i.exec(text)
  if (short === null) return { code: 'P1127', reason: null }
  const [, digits = '', unit = ''] = short
  return { code: 'P1127', reason: null, remedy: `write ${digits}${unit.toUpperCase()}iB` }
}

function whyNotEndpoint(text: string): Misfit | null {
  const parsed = parseEndpoint(text)
  if (typeof parsed !== 'string') return null
  const everywhere = /^\*?:\d+$/.test(text) || /^\d+$/.test(text)
  const misfit = { code: 'P1120', reason: parsed } as const
  return everywhere ? { ...misfit, remedy: EVERY_ADDRESS } : misfit
}

function whyNotTrustedNetwork(text: string): Misfit | null {
  const network = parseNetwork(text)
  if (typeof network === 'string') return whyNotNetwork(network)
  if (!isOpenToTheInternet(network)) return null
  const who = network.prefix === 0 ? 'everyone on the Internet' : 'a large part of the Internet'
  const sentence = `with ${text} ${who} could send mail through this server`
  return {
    code: 'P1130',
    reason: null,
    sentence,
    remedy: 'list your own networks, e.g. [127.0.0.0/8, 10.0.0.0/8]',
  }
}

function whyNotNetwork(reason: string): Misfit {
  const meant = networkMeant(reason)
  return meant === null ? { code: 'P1124', reason } : { code: 'P1124', reason, remedy: `write ${meant}` }
}

function whyNotDestination(text: string): Misfit | null {
  const separated = separatePassword(text)
  if (typeof separated === 'string') return { code: 'P1125', reason: separated }
  const parsed = parseDestination(separated.destination, '/')
  if (typeof parsed !== 'string') return whyNotWithPassword(parsed, separated.password)
  const [scheme = ''] = text.split(':', 1)
  const similar = closest(scheme, SCHEMES)
  const misfit = { code: 'P1125', reason: parsed } as const
  return similar === null || similar === scheme
    ? misfit
    : { ...misfit, remedy: `did you mean "${similar}:"?` }
}

/** Who names a user has to say how to sign in. */
function whyNotWithPassword(destination: Destination, password: string | null): Misfit | null {
  if (!('user' in destination) || destination.user === null || password !== null) return null
  const remedy = `write for example  "smtp://USER:\${env:PASSWORD}@HOST:587"`
  return { code: 'P1125', reason: 'the user has no password', remedy }
}

function whyNotSecret(text: string): Misfit | null {
  if (text.length < MIN_SECRET_CHARS)
    return { code: 'P1107', reason: null, sentence: `a secret has at least ${MIN_SECRET_CHARS} characters` }
  // It goes into headers of requests (RFC 9110 §5.5). Mostly it is the end of a line in the file it came from.
  return CONTROL.test(text)
    ? { code: 'P1107', reason: null, sentence: 'a secret has no control character, and no end of a line' }
    : null
}

function whyNotPath(text: string): Misfit | null {
  if (text === '') return { code: 'P1128', reason: 'it is empty' }
  if (text.startsWith('~'))
    return { code: 'P1128', reason: '~ is not expanded', remedy: 'write the whole path, as /home/…' }
  return CONTROL.test(text) ? { code: 'P1128', reason: 'it has a control character' } : null
}
