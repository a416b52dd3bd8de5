/**
 * What a plugin may do: the grammar, the sentences a human reads, and what is in force. Effective is what was asked for
 * and, where a permission is critical, granted by the administrator too.
 */
import { type AskedDns, DnsScope, dnsCovers, dnsSentence, whyNotDns } from './dns-scope.ts'
import { isOrigin, OriginScope } from './origin-scope.ts'
import { isPattern, PatternSet } from './pattern.ts'
import { tcpTarget } from './tcp-target.ts'

export interface PermissionSet {
  readonly kv: PatternSet
  readonly lookup: PatternSet
  readonly headersRead: boolean
  readonly headersWrite: PatternSet
  readonly bodyRead: boolean
  readonly messageParts: boolean
  readonly refuseReject: boolean
  readonly refuseDefer: boolean
  readonly hold: boolean
  readonly discard: boolean
  readonly relayGrant: boolean
  readonly routeSet: PatternSet
  readonly credentials: boolean
  readonly dns: DnsScope
  readonly http: OriginScope
  readonly tcp: OriginScope
  /** Names of secrets. */
  readonly secrets: PatternSet
  /** Names of plugins whose notes it may read beside its own. */
  readonly notes: PatternSet
}

/** Every permission: its form, and what it means for a reader who has to decide. */
const GRAMMAR = {
  'relay.grant': { form: 'flag', critical: true, sentence: () => 'may let anyone send mail anywhere' },
  'route.set': { form: 'patterns', critical: true, sentence: (on: string) => `may send mail to ${on}` },
  credentials: {
    form: 'flag',
    critical: true,
    sentence: () => 'sees the passwords and tokens of those who sign in and decides who they are',
  },
  secrets: {
    form: 'names',
    critical: true,
    sentence: (on: string) => `uses the secrets ${on}, in requests to whoever it may send them`,
  },
  refuse: { form: 'refusals', critical: false, sentence: (on: string) => `may refuse mail (${on})` },
  hold: { form: 'flag', critical: false, sentence: () => 'may keep mail in hold' },
  discard: {
    form: 'flag',
    critical: false,
    sentence: () => 'may throw mail away that its sender is told was accepted',
  },
  'headers.read': { form: 'flag', critical: false, sentence: () => 'reads the header of every message' },
  'headers.write': {
    form: 'patterns',
    critical: false,
    sentence: (on: string) => `adds and removes header fields: ${on}`,
  },
  'body.read': { form: 'flag', critical: false, sentence: () => 'reads the content of every message' },
  'message.parts': {
    form: 'flag',
    critical: false,
    sentence: () => 'sees the parts of every message: types, file names, sizes, hashes, what is in archives',
  },
  kv: {
    form: 'patterns',
    critical: false,
    sentence: (on: string) => `keeps values between sessions under ${on}`,
  },
  lookup: {
    form: 'patterns',
    critical: false,
    sentence: (on: string) => `looks up entries of the tables ${on}`,
  },
  dns: { form: 'dns', critical: false, sentence: (on: string) => on },
  http: { form: 'origins', critical: false, sentence: (on: string) => `sends HTTP requests to ${on}` },
  tcp: { form: 'targets', critical: false, sentence: (on: string) => `sends anything over TCP to ${on}` },
  notes: { form: 'names', critical: false, sentence: (on: string) => `reads the notes of ${on}` },
} as const satisfies Record<string, { form: Form; critical: boolean; sentence: (on: string) => string }>

type Form = 'flag' | 'patterns' | 'refusals' | 'names' | 'origins' | 'targets' | 'dns'

const NAME = /^[a-z][a-z0-9-]{0,39}$/

export type PermissionName = keyof typeof GRAMMAR
export const PERMISSION_NAMES = Object.keys(GRAMMAR) as readonly PermissionName[]

/** Permissions as written in a manifest or a grant, checked for form. */
export type Asked = Readonly<Partial<Record<PermissionName, AskedOn>>>
type AskedOn = true | readonly string[] | AskedDns

/** Checks the form of `permissions` or `grant`; a string says what is wrong. */
export function parsePermissions(value: unknown): Asked | string {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return 'permissions must be an object'
  const asked: Partial<Record<PermissionName, AskedOn>> = {}
  for (const [name, on] of Object.entries(value)) {
    if (!Object.hasOwn(GRAMMAR, name))
      return `there is no permission called "${name.slice(0, 60)}"; there are ${PERMISSION_NAMES.join(', ')}`
    const reason = whyMalformed(name as PermissionName, on)
    if (reason !== null) return reason
    asked[name as PermissionName] = on as AskedOn
  }
  return asked
}

function whyMalformed(name: PermissionName, on: unknown): string | null {
  const { form } = GRAMMAR[name]
  if (form === 'flag') return on === true ? null : `the permission "${name}" is written as true`
  if (form === 'dns') return whyNotDns(on)
  if (!Array.isArray(on) || on.length === 0 || on.length > 100)
    return `the permission "${name}" is a list of 1 to 100 entries`
  if (form === 'refusals')
    return on.every((kind) => kind === 'reject' || kind === 'defer')
      ? null
      : '"refuse" lists "reject" and "defer"'
  if (form === 'names')
    return on.every((text) => typeof text === 'string' && NAME.test(text))
      ? null
      : `the permission "${name}" lists names of lower-case letters, digits and hyphens`
  if (form === 'origins')
    return on.every(isOrigin)
      ? null
      : `the permission "${name}" lists origins such as "https://api.example.test", without a path`
  if (form === 'targets')
    return on.every((text) => tcpTarget(text) !== null)
      ? null
      : `the permission "${name}" lists targets such as "clamd.example.test:3310"`
  return on.every(isPattern)
    ? null
    : `the permission "${name}" lists literals, each with at most one * at its end`
}

/** Critical permissions asked for and not granted; they keep a plugin from loading. */
export function missingGrants(asked: Asked, granted: Asked): readonly PermissionName[] {
  return PERMISSION_NAMES.filter(
    (name) => GRAMMAR[name].critical && asked[name] !== undefined && granted[name] === undefined,
  )
}

/** What is in force. `granted` null: a plugin shipped with the gateway, which gets what it asks for. */
export function permissionsInForce(asked: Asked, granted: Asked | null): Asked {
  if (granted === null) return asked
  const kept = Object.entries(asked).flatMap(([key, on]) => {
    const name = key as PermissionName
    if (!GRAMMAR[name].critical) return [[name, on]]
    const common = inCommon(on, granted[name])
    return common === undefined ? [] : [[name, common]]
  })
  return Object.fromEntries(kept) as Asked
}

/** What of `asked` goes beyond `approved`, as it would have to be approved. */
export function beyond(asked: Asked, approved: Asked): Asked {
  const more = Object.entries(asked).flatMap(([key, on]) => {
    const name = key as PermissionName
    const rest = restOf(on, approved[name])
    return rest === undefined ? [] : [[name, rest]]
  })
  return Object.fromEntries(more) as Asked
}

function restOf(asked: AskedOn, approved: AskedOn | undefined): AskedOn | undefined {
  if (approved === undefined) return asked
  if (isList(asked)) {
    const wide = isList(approved) ? approved : []
    const rest = asked.filter((one) => !wide.some((pattern) => covers(pattern, one)))
    return rest.length === 0 ? undefined : rest
  }
  if (asked === true) return approved === true ? undefined : asked
  return approved !== true && !isList(approved) && dnsCovers(approved, asked) ? undefined : asked
}

function isList(on: AskedOn): on is readonly string[] {
  return Array.isArray(on)
}

/**
 * The same in the form it is checked with at every use.
 *
 * @param named what may be at addresses that are not on the Internet; null: all of it
 */
export function effectivePermissions(
  requested: Asked,
  granted: Asked | null,
  named: Asked | null = granted,
): PermissionSet {
  const asked = permissionsInForce(requested, granted)
  const patterns = (name: PermissionName): PatternSet =>
    new PatternSet((asked[name] ?? []) as readonly string[])
  const refusals = (asked.refuse ?? []) as readonly string[]
  const places = (name: 'http' | 'tcp'): OriginScope => {
    const listed = (asked[name] ?? []) as readonly string[]
    return new OriginScope(listed, named === null ? listed : ((named[name] ?? []) as readonly string[]))
  }
  return {
    kv: patterns('kv'),
    lookup: patterns('lookup'),
    headersRead: asked['headers.read'] === true,
    headersWrite: new PatternSet(
      ((asked['headers.write'] ?? []) as readonly string[]).map((pattern) => pattern.toLowerCase()),
    ),
    bodyRead: asked['body.read'] === true,
    messageParts: asked['message.parts'] === true,
    refuseReject: refusals.includes('reject'),
    refuseDefer: refusals.includes('defer'),
    hold: asked.hold === true,
    discard: asked.discard === true,
    relayGrant: asked['relay.grant'] === true,
    routeSet: patterns('route.set'),
    credentials: asked.credentials === true,
    dns: new DnsScope((asked.dns ?? null) as AskedDns | null),
    http: places('http'),
    tcp: places('tcp'),
    secrets: patterns('secrets'),
    notes: patterns('notes'),
  }
}

/** What both sides allow, undefined when that is nothing; of two patterns that overlap, the narrower one. */
function inCommon(asked: AskedOn, granted: AskedOn | undefined): AskedOn | undefined {
  if (granted === undefined) return undefined
  if (!isList(asked)) return granted === true ? asked : undefined
  const right = isList(granted) ? granted : []
  const common = asked.flatMap((a) => right.flatMap((b) => narrower(a, b)))
  return common.length === 0 ? undefined : common
}

function narrower(a: string, b: string): readonly string[] {
  if (covers(b, a)) return [a]
  return covers(a, b) ? [b] : []
}

/** Whether everything `narrow` matches is matched by `wide` too. */
function covers(wide: string, narrow: string): boolean {
  if (wide === narrow) return true
  return wide.endsWith('*') && narrow.replace(/\*$/, '').startsWith(wide.slice(0, -1))
}

/** Each permission as a sentence, critical ones first. */
export function permissionSentences(asked: Asked): readonly string[] {
  return PERMISSION_NAMES.filter((name) => asked[name] !== undefined).map((name) => {
    const { critical, sentence } = GRAMMAR[name]
    return `${critical ? 'critical: ' : ''}${sentence(shown(asked[name]))}`
  })
}

function shown(on: AskedOn | undefined): string {
  if (on === undefined || on === true) return ''
  return isList(on) ? on.join(', ') : dnsSentence(on)
}
