/** Actions: what plugins wanted done to a message, added up. Checked again here, on this side of the border. */
import type { Action } from '../mail/answer.ts'
import { formatField, isFieldName, isFieldValue } from '../mail/header-fields.ts'
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

/** Why the message is to be held, one reason a plugin that asked for it. */
export function holdReasons(actions: readonly TakenAction[]): readonly string[] {
  return actions.flatMap(({ plugin, action }) => (action.kind === 'hold' ? [holdReason(plugin, action)] : []))
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

function holdReason(plugin: string, { text }: Extract<Action, { kind: 'hold' }>): string {
  return text === '' ? plugin : `${plugin}: ${text}`
}
