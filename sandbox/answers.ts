/** Answers that come over the border, checked field by field against the hook and the plugin's permissions. */

import { maskPasswords } from '../config/mask.ts'
import { HOOKS } from '../core/hooks/hook-table.ts'
import {
  type Action,
  type Answer,
  type Facts,
  type Fault,
  MAX_WAIT_SECONDS,
  type Reason,
  type Refusal,
  type RefusalKind,
} from '../core/mail/answer.ts'
import { parseDestination } from '../core/mail/destination.ts'
import { isFieldName, isFieldValue } from '../core/mail/header-fields.ts'
import type { HookName } from '../core/mail/hook-events.ts'
import type { PermissionName, PermissionSet } from './permissions.ts'

const STATUS = /^[45]\.\d{1,3}\.\d{1,3}$/
const CODE = /^[A-Z0-9_]{1,64}$/
/** Goes into logs, trace and replies; white space at an end would be invisible there. */
const IDENTITY = /^[^\s\p{C}](?:[^\p{C}]{0,253}[^\s\p{C}])?$/u
/** Other or undefined security status (RFC 3463 §3.8): policy, not trouble. */
const WAIT_STATUS = '4.7.0'
const MAX_TEXT_CHARS = 400
const MAX_FACTS = 32
const MAX_FACT_CHARS = 500
const MAX_ACTIONS = 100
const TAG_NAME = /^[a-z0-9.-]{1,40}$/
const TAG_VALUE = /^[^\p{C}]{0,200}$/u
const MIN_EXPIRE_SECONDS = 60

/** Trace fields, which the core writes itself (RFC 5321 §4.4). */
const RESERVED_FIELDS = new Set(['received', 'return-path'])

class Invalid extends Error {
  readonly kind: 'invalid-answer' | 'denied'
  constructor(kind: 'invalid-answer' | 'denied', message: string) {
    super(message)
    this.kind = kind
  }
}

class Denied extends Invalid {
  readonly permission: PermissionName
  constructor(permission: PermissionName, message: string) {
    super('denied', message)
    this.permission = permission
  }
}

/** The answer, or the fault it is. @param onDenied hears of the permission a fault `denied` is about */
export function checkAnswer(
  hook: HookName,
  permissions: PermissionSet,
  raw: unknown,
  onDenied: (permission: PermissionName) => void = () => {},
): Answer | Fault {
  try {
    if (!Array.isArray(raw)) throw new Invalid('invalid-answer', 'the answer has no form')
    const [said, actions] = raw as readonly unknown[]
    const checked = checkActions(hook, permissions, actions)
    if (isAcceptance(said))
      return { refusal: null, note: null, actions: [checkAcceptance(hook, permissions, said), ...checked] }
    return { ...checkSaid(hook, permissions, said), actions: checked }
  } catch (error) {
    if (!(error instanceof Invalid)) throw error
    if (error instanceof Denied) onDenied(error.permission)
    return { kind: error.kind, message: error.message, stack: '' }
  }
}

function isAcceptance(said: unknown): said is { readonly identity?: unknown } {
  return typeof said === 'object' && said !== null && (said as { kind?: unknown }).kind === 'accept'
}

/** It adds up like an action, so that a plugin asked later can still refuse. */
function checkAcceptance(
  hook: HookName,
  permissions: PermissionSet,
  { identity }: { readonly identity?: unknown },
): Action {
  if (hook !== 'auth')
    throw new Invalid('invalid-answer', `there is no answer of the kind "accept" at ${hook}, only at auth`)
  return checkAction(hook, permissions, { kind: 'auth.accept', identity })
}

/** Whether checking failed. */
export function isFault(value: Answer | Fault): value is Fault {
  return 'kind' in value
}

function checkSaid(
  hook: HookName,
  permissions: PermissionSet,
  said: unknown,
): Pick<Answer, 'refusal' | 'note'> {
  if (said === null) return { refusal: null, note: null }
  if (typeof said !== 'object') throw new Invalid('invalid-answer', 'a hook returns an answer or nothing')
  const { kind } = said as Record<string, unknown>
  const reason = checkReason(said as Record<string, unknown>)
  if (kind === 'pass') return { refusal: null, note: reason }
  if (kind === 'wait')
    return { refusal: checkWait(hook, permissions, said as Record<string, unknown>, reason), note: null }
  if (kind !== 'reject' && kind !== 'defer' && kind !== 'disconnect')
    throw new Invalid('invalid-answer', `there is no answer of the kind ${shown(kind)}`)
  return {
    refusal: checkRefusal(hook, permissions, kind, said as Record<string, unknown>, reason),
    note: null,
  }
}

function checkRefusal(
  hook: HookName,
  permissions: PermissionSet,
  kind: RefusalKind,
  { status }: Record<string, unknown>,
  reason: Reason,
): Refusal {
  if (HOOKS[hook].codes[kind] === null) throw new Invalid('invalid-answer', `${hook} cannot ${kind}`)
  if (typeof status !== 'string' || !STATUS.test(status))
    throw new Invalid('invalid-answer', `${shown(status)} is no enhanced status code of class 4 or 5`)
  const permanent = status.startsWith('5')
  if ((kind === 'reject' && !permanent) || (kind === 'defer' && permanent))
    throw new Invalid('invalid-answer', `${status} does not fit ${kind}`)
  const allowed = permanent ? permissions.refuseReject : permissions.refuseDefer
  if (!allowed)
    throw new Denied('refuse', `refusing needs the permission refuse: ['${permanent ? 'reject' : 'defer'}']`)
  return { kind, status, ...reason }
}

/** A `defer` that says for how long. */
function checkWait(
  hook: HookName,
  permissions: PermissionSet,
  { seconds }: Record<string, unknown>,
  { text, code, facts }: Reason,
): Refusal {
  if (hook !== 'deliver')
    throw new Invalid('invalid-answer', `there is no answer of the kind "wait" at ${hook}, only at deliver`)
  if (typeof seconds !== 'number' || !(seconds >= 1 && seconds <= MAX_WAIT_SECONDS))
    throw new Invalid('invalid-answer', `a wait is 1 to ${MAX_WAIT_SECONDS} seconds long`)
  const reason = { text, code, facts: { ...facts, waitSeconds: seconds } }
  const refusal = checkRefusal(hook, permissions, 'defer', { status: WAIT_STATUS }, reason)
  return { ...refusal, waitSeconds: seconds }
}

function checkReason({ text, code, facts }: Record<string, unknown>): Reason {
  if (typeof text !== 'string' || text === '') throw new Invalid('invalid-answer', 'an answer needs a text')
  if (code !== undefined && (typeof code !== 'string' || !CODE.test(code)))
    throw new Invalid('invalid-answer', `${shown(code)} is no code: upper-case letters, digits, underscores`)
  return { text: text.slice(0, MAX_TEXT_CHARS), code: code ?? '', facts: checkFacts(facts) }
}

function checkFacts(facts: unknown): Facts {
  if (facts === undefined || facts === null) return {}
  if (typeof facts !== 'object' || Array.isArray(facts))
    throw new Invalid('invalid-answer', 'facts must be an object')
  const entries = Object.entries(facts as Record<string, unknown>).slice(0, MAX_FACTS)
  return Object.fromEntries(
    entries.map(([name, value]) => {
      if (typeof value === 'string') return [name.slice(0, 64), value.slice(0, MAX_FACT_CHARS)]
      if (typeof value === 'number' || typeof value === 'boolean' || value === null)
        return [name.slice(0, 64), value]
      throw new Invalid('invalid-answer', `the fact ${shown(name)} is no text, number or boolean`)
    }),
  )
}

function checkActions(hook: HookName, permissions: PermissionSet, actions: unknown): readonly Action[] {
  if (!Array.isArray(actions) || actions.length > MAX_ACTIONS)
    throw new Invalid('invalid-answer', `at most ${MAX_ACTIONS} actions`)
  return actions.map((action: unknown) => {
    if (typeof action !== 'object' || action === null)
      throw new Invalid('invalid-answer', 'an action has no form')
    return checkAction(hook, permissions, action as Record<string, unknown>)
  })
}

function checkAction(hook: HookName, permissions: PermissionSet, action: Record<string, unknown>): Action {
  const { kind } = action
  if (!(HOOKS[hook].actions as readonly unknown[]).includes(kind))
    throw new Invalid('invalid-answer', `${shown(kind)} means nothing at ${hook}`)
  switch (kind as Action['kind']) {
    case 'header.add':
      return checkHeaderAdd(permissions, action)
    case 'header.remove':
      return { kind: 'header.remove', name: writableField(permissions, action['name']) }
    case 'relay.grant':
      if (!permissions.relayGrant)
        throw new Denied('relay.grant', 'relay.grant was not granted to this plugin')
      return { kind: 'relay.grant' }
    case 'route.set':
      return checkRoute(permissions, action)
    case 'hold':
      if (!permissions.hold) throw new Denied('hold', 'holding mail needs the permission hold')
      return { kind: 'hold', ...checkWhom(hook, 'hold', action) }
    case 'discard':
      if (!permissions.discard) throw new Denied('discard', 'discarding mail needs the permission discard')
      return { kind: 'discard', ...checkWhom(hook, 'discard', action) }
    case 'tag':
      return checkTag(action)
    case 'expire':
      return checkExpire(action)
    case 'auth.accept':
      return checkIdentity(permissions, action)
  }
}

/** Reason and recipients of a hold or a discard. */
function checkWhom(
  hook: HookName,
  kind: string,
  { text, recipients }: Record<string, unknown>,
): { readonly text: string; readonly recipients: readonly string[] | null } {
  if (typeof text !== 'string') throw new Invalid('invalid-answer', `a ${kind} needs a reason`)
  const named = checkRecipients(kind, recipients)
  if (named !== null && !HOOKS[hook].namesRecipients)
    throw new Invalid('invalid-answer', `a ${kind} cannot name recipients at ${hook}`)
  return { text: text.slice(0, MAX_TEXT_CHARS), recipients: named }
}

function checkRecipients(kind: string, recipients: unknown): readonly string[] | null {
  if (recipients === null) return null
  if (!Array.isArray(recipients) || !recipients.every((recipient) => typeof recipient === 'string'))
    throw new Invalid('invalid-answer', `the recipients of a ${kind} are a list of addresses`)
  return recipients as readonly string[]
}

/** Never cut: what other plugins go by must be what was said. */
function checkTag({ name, value }: Record<string, unknown>): Action {
  if (typeof name !== 'string' || !TAG_NAME.test(name))
    throw new Invalid(
      'invalid-answer',
      `${shown(name)} names no tag: 1 to 40 lower-case letters, digits, dots and hyphens`,
    )
  if (typeof value !== 'string' || !TAG_VALUE.test(value))
    throw new Invalid('invalid-answer', `the value of the tag ${name} is no text of at most 200 characters`)
  return { kind: 'tag', name, value }
}

function checkExpire({ seconds }: Record<string, unknown>): Action {
  if (!Number.isSafeInteger(seconds) || (seconds as number) < MIN_EXPIRE_SECONDS)
    throw new Invalid(
      'invalid-answer',
      `${shown(seconds)} is no life of a message: whole seconds, at least ${MIN_EXPIRE_SECONDS}`,
    )
  return { kind: 'expire', seconds: seconds as number }
}

function checkIdentity(permissions: PermissionSet, { identity }: Record<string, unknown>): Action {
  if (!permissions.credentials)
    throw new Denied('credentials', 'saying who a client is needs the permission credentials')
  if (typeof identity !== 'string' || !IDENTITY.test(identity))
    throw new Invalid('invalid-answer', `${shown(identity)} is no identity: 1 to 255 printable characters`)
  return { kind: 'auth.accept', identity }
}

function checkHeaderAdd(permissions: PermissionSet, { name, value }: Record<string, unknown>): Action {
  const field = writableField(permissions, name)
  if (typeof value !== 'string' || !isFieldValue(value))
    throw new Invalid('invalid-answer', `the value of ${field} has a control character or is too long`)
  return { kind: 'header.add', name: field, value }
}

function writableField(permissions: PermissionSet, name: unknown): string {
  if (typeof name !== 'string' || !isFieldName(name))
    throw new Invalid('invalid-answer', `${shown(name)} names no field`)
  const lower = name.toLowerCase()
  if (RESERVED_FIELDS.has(lower)) throw new Denied('headers.write', `${name} belongs to the gateway`)
  if (!permissions.headersWrite.matches(lower))
    throw new Denied('headers.write', `writing ${name} needs the permission headers.write: ['${name}']`)
  return name
}

function checkRoute(
  permissions: PermissionSet,
  { destination, recipients }: Record<string, unknown>,
): Action {
  if (typeof destination !== 'string') throw new Invalid('invalid-answer', 'a route needs a destination')
  const parsed = parseDestination(destination)
  if (typeof parsed === 'string')
    throw new Invalid('invalid-answer', `${shown(maskPasswords(destination))}: ${parsed}`)
  if (!permissions.routeSet.matches(destination))
    throw new Denied('route.set', `sending to ${destination} was not granted to this plugin (route.set)`)
  return { kind: 'route.set', destination, recipients: checkRecipients('route', recipients) }
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? String(value)).slice(0, 80)
}
