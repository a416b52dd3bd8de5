/** Actions: what plugins wanted done to a message, added up. Checked again here, on this side of the border. */
import { formatField, isFieldName, isFieldValue } from '../mail/header-fields.ts'
import { MAX_TAGS, type Tag } from '../mail/session.ts'
import type { TakenAction } from './runner.ts'

/** What becomes of the header of a message. */
export interface HeaderEdits {
  /** Whole fields with their line ends, in the order they were asked for; '' without any. */
  readonly prepend: string
  /** Lower-cased names of fields to be taken out of the header as received. Added fields stay. */
  readonly remove: ReadonlySet<string>
}

/** A destination a plugin chose. */
export interface ChosenRoute {
  readonly plugin: string
  readonly destination: string
  /** null: all of them. */
  readonly recipients: readonly string[] | null
}

/** A plugin that wants a copy thrown away, and its reason, which may be ''. */
export interface Discard {
  readonly plugin: string
  readonly reason: string
}

/** A life in the queue, and who asked for it. */
export interface ChosenLife {
  readonly plugin: string
  readonly seconds: number
}

/**
 * Adds up `header.add` and `header.remove`.
 *
 * @throws TypeError when a name or a value cannot stand in a header: the border should not have let it through
 */
export function headerEdits(actions: readonly TakenAction[]): HeaderEdits {
  const remove = new Set<string>()
  let prepend = ''
  for (const { plugin, action } of actions) {
    if (action.kind !== 'header.add' && action.kind !== 'header.remove') continue
    if (!isFieldName(action.name)) throw new TypeError(`${plugin}: no field can be named ${action.name}`)
    if (action.kind === 'header.remove') remove.add(action.name.toLowerCase())
    else if (isFieldValue(action.value)) prepend += formatField(action.name, action.value)
    else throw new TypeError(`${plugin}: the value of ${action.name} cannot stand in a header`)
  }
  return { prepend, remove }
}

/** Why this recipient's copy is to be held, each reason once; null when it is not. */
export function holdReason(actions: readonly TakenAction[], address: string): string | null {
  const reasons = new Set<string>()
  for (const { plugin, action } of actions) {
    if (action.kind !== 'hold' || !concerns(action.recipients, address)) continue
    reasons.add(action.text === '' ? plugin : `${plugin}: ${action.text}`)
  }
  return reasons.size === 0 ? null : [...reasons].join('; ')
}

/** Who was the first to want this recipient's copy thrown away, and why; null when nobody does. */
export function firstDiscard(actions: readonly TakenAction[], address: string): Discard | null {
  for (const { plugin, action } of actions)
    if (action.kind === 'discard' && concerns(action.recipients, address))
      return { plugin, reason: action.text }
  return null
}

/** The shortest life in the queue anybody asked for; null when nobody did. */
export function shortestLife(actions: readonly TakenAction[]): ChosenLife | null {
  let shortest: ChosenLife | null = null
  for (const { plugin, action } of actions) {
    if (action.kind !== 'expire' || (shortest !== null && shortest.seconds <= action.seconds)) continue
    shortest = { plugin, seconds: action.seconds }
  }
  return shortest
}

/** Tags in the order they were first stated, each with the value stated last; what is beyond MAX_TAGS is left out. */
export function tagsOf(actions: readonly TakenAction[]): {
  readonly tags: readonly Tag[]
  readonly leftOut: readonly Tag[]
} {
  const tags = new Map<string, Tag>()
  const leftOut: Tag[] = []
  for (const { plugin, action } of actions) {
    if (action.kind !== 'tag') continue
    const tag = { plugin, name: action.name, value: action.value }
    // No plugin has a blank in its name.
    const key = `${plugin} ${action.name}`
    if (tags.size < MAX_TAGS || tags.has(key)) tags.set(key, tag)
    else leftOut.push(tag)
  }
  return { tags: [...tags.values()], leftOut }
}

/** Destinations chosen, in the order of asking. */
export function chosenRoutes(actions: readonly TakenAction[]): readonly ChosenRoute[] {
  return actions.flatMap(({ plugin, action }) =>
    action.kind === 'route.set'
      ? [{ plugin, destination: action.destination, recipients: action.recipients }]
      : [],
  )
}

/** Who the client is, as the first plugin that knew said; null when none did. */
export function acceptedIdentity(actions: readonly TakenAction[]): string | null {
  for (const { action } of actions) if (action.kind === 'auth.accept') return action.identity
  return null
}

function concerns(recipients: readonly string[] | null, address: string): boolean {
  return recipients === null || recipients.includes(address)
}
