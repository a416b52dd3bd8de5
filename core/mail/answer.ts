/** Answers: what one plugin says to one event. A plugin's answer, the client's reply, the remote's outcome. */

/** The values a plugin compared, as `explain` shows them. At most 32 of them. */
export type Facts = Readonly<Record<string, string | number | boolean | null>>

/** Why: a sentence, a stable code that can be searched for, and the values compared. */
export interface Reason {
  readonly text: string
  /** Upper-case letters, digits and underscores, at most 64; '' when the plugin gave none. */
  readonly code: string
  readonly facts: Facts
}

export const REFUSAL_KINDS = ['reject', 'defer', 'disconnect'] as const
export type RefusalKind = (typeof REFUSAL_KINDS)[number]

/** What a hook can return besides nothing; `accept` at `auth` alone, `wait` at `deliver` alone. */
export const ANSWER_KINDS = ['pass', ...REFUSAL_KINDS, 'wait', 'accept'] as const
export type AnswerKind = (typeof ANSWER_KINDS)[number]

/** Ends the hook: later plugins are not asked. */
export interface Refusal extends Reason {
  readonly kind: RefusalKind
  /** Enhanced status code; its class (4 or 5) fits the kind. */
  readonly status: string
  /** At `deliver`, of a `defer` that says when to ask again: seconds, 1 to MAX_WAIT_SECONDS. */
  readonly waitSeconds?: number
}

/** Longest wait a plugin may ask for at `deliver`: a day. */
export const MAX_WAIT_SECONDS = 86_400

/** What a plugin wants done. Actions add up; none of them keeps a later plugin from being asked. */
export type Action =
  | ForRecipients<'hold'>
  /** The client hears that the mail was taken; nobody gets it, and nothing is stored. */
  | ForRecipients<'discard'>
  /** A fact of the transaction, for plugins asked later. */
  | { readonly kind: 'tag'; readonly name: string; readonly value: string }
  /** Life of the message in the queue. */
  | { readonly kind: 'expire'; readonly seconds: number }
  | { readonly kind: 'header.add'; readonly name: string; readonly value: string }
  | { readonly kind: 'header.remove'; readonly name: string }
  | { readonly kind: 'relay.grant' }
  | {
      readonly kind: 'route.set'
      readonly destination: string
      readonly recipients: readonly string[] | null
    }
  /** At `auth`: the client is who this says. */
  | { readonly kind: 'auth.accept'; readonly identity: string }

export type ActionKind = Action['kind']

/** Every kind of action there is. */
export const ACTION_KINDS = Object.keys({
  hold: true,
  discard: true,
  tag: true,
  expire: true,
  'header.add': true,
  'header.remove': true,
  'relay.grant': true,
  'route.set': true,
  'auth.accept': true,
} satisfies Record<ActionKind, true>) as readonly ActionKind[]

interface ForRecipients<Kind extends string> {
  readonly kind: Kind
  /** Why. */
  readonly text: string
  /** null: all of them. */
  readonly recipients: readonly string[] | null
}

/** A whole answer. No refusal and no action is "no opinion", which is recorded too. */
export interface Answer {
  readonly refusal: Refusal | null
  /** Why there was no refusal, when the plugin said so. */
  readonly note: Reason | null
  readonly actions: readonly Action[]
}

export const NO_OPINION: Answer = Object.freeze({ refusal: null, note: null, actions: Object.freeze([]) })

/** How a call to a plugin went wrong. */
export const FAULT_KINDS = [
  'throw',
  'timeout',
  'memory',
  'death',
  'denied',
  'invalid-answer',
  'unavailable',
  'quarantined',
] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

export interface Fault {
  readonly kind: FaultKind
  readonly message: string
  /** The author's file, line and column, where known. */
  readonly stack: string
}
