/**
 * What a plugin may do: the grammar, the sentences a human reads, and what is in force. Effective is what was asked for
 * and, where a permission is critical, granted by the administrator too.
 */
import { isPattern, PatternSet } from './pattern.ts'

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
}

/** Every permission: its form, and what it means for a reader who has to decide. */
const GRAMMAR = {
  'relay.grant': { form: 'flag', critical: true, sentence: () => 'may let anyone send mail anywhere' },
  'route.set': { form: 'patterns', critical: true, sentence: (on: string) => `may send mail to ${on}` },
  credentials: {
    form: 'flag',
    critical: true,
    sentence: () => 'sees the passwords of those who sign in and decides who they are',
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
} as const satisfies Record<
  string,
  { form: 'flag' | 'patterns' | 'refusals'; critical: boolean; sentence: (on: string) => string }
>

export type PermissionName = keyof typeof GRAMMAR
export const PERMISSION_NAMES = Object.keys(GRAMMAR) as readonly PermissionName[]

/** Permissions as written in a manifest or a grant, checked for form. */
export type Asked = Readonly<Partial<Record<PermissionName, true | readonly string[]>>>

/** Checks the form of `permissions` or `grant`; a string says what is wrong. */
export function parsePermissions(value: unknown): Asked | string {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return 'permissions must be an object'
  const asked: Partial<Record<PermissionName, true | readonly string[]>> = {}
  for (const [name, on] of Object.entries(value)) {
    if (!Object.hasOwn(GRAMMAR, name))
      return `there is no permission called "${name}"; there are ${PERMISSION_NAMES.join(', ')}`
    const reason = whyMalformed(name as PermissionName, on)
    if (reason !== null) return reason
    asked[name as PermissionName] = on as true | readonly string[]
  }
  return asked
}

function whyMalformed(name: PermissionName, on: unknown): string | null {
  const { form } = GRAMMAR[name]
  if (form === 'flag') return on === true ? null : `the permission "${name}" is written as true`
  if (!Array.isArray(on) || on.length === 0 || on.length > 100)
    return `the permission "${name}" is a list of 1 to 100 entries`
  if (form === 'refusals')
    return on.every((kind) => kind === 'reject' || kind === 'defer')
      ? null
      : '"refuse" lists "reject" and "defer"'
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
  const { 'route.set': routes, 'relay.grant': relay, credentials, ...others } = asked
  const common = intersection(routes, granted['route.set'])
  return {
    ...others,
    ...(common.length === 0 ? {} : { 'route.set': common }),
    ...(relay === true && granted['relay.grant'] === true ? { 'relay.grant': true } : {}),
    ...(credentials === true && granted.credentials === true ? { credentials: true } : {}),
  }
}

/** The same in the form it is checked with at every use. */
export function effectivePermissions(requested: Asked, granted: Asked | null): PermissionSet {
  const asked = permissionsInForce(requested, granted)
  const patterns = (name: PermissionName): PatternSet =>
    new PatternSet((asked[name] ?? []) as readonly string[])
  const refusals = (asked.refuse ?? []) as readonly string[]
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
  }
}

/** Patterns both sides allow: of two that overlap, the narrower one. */
function intersection(
  asked: true | readonly string[] | undefined,
  granted: true | readonly string[] | undefined,
): readonly string[] {
  const left = Array.isArray(asked) ? (asked as readonly string[]) : []
  const right = Array.isArray(granted) ? (granted as readonly string[]) : []
  return left.flatMap((a) => right.flatMap((b) => narrower(a, b)))
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
    const on = asked[name]
    const { critical, sentence } = GRAMMAR[name]
    return `${critical ? 'critical: ' : ''}${sentence(Array.isArray(on) ? on.join(', ') : '')}`
  })
}
