/**
 * What a plugin's author imports as `postern`. The functions run inside the plugin's isolate; everything a plugin can
 * do besides answering comes to it as tools with each call.
 *
 * @example
 * export default definePlugin({
 *   name: 'no-noreply', version: '1.0.0', api: 1,
 *   permissions: { refuse: ['reject'] },
 *   hooks: {
 *     mail({ transaction }) {
 *       if (transaction.reversePath.startsWith('noreply@'))
 *         return reject('5.7.1', 'We like to be able to answer', { code: 'NOREPLY' })
 *     },
 *   },
 * })
 */
import type { Facts, RefusalKind } from '../../core/mail/answer.ts'
import type { HookEvents } from '../../core/mail/hook-events.ts'
import type { HeaderField } from '../../core/mail/message.ts'
import type { LiteralFound, MessageParts } from '../../core/mail/message-parts.ts'
import type { Dns, Hash, Http, Notes, PluginMetrics, Tcp, Timer } from './tools.ts'

export type { Facts } from '../../core/mail/answer.ts'
export type * from '../../core/mail/hook-events.ts'
export type { HeaderField } from '../../core/mail/message.ts'
export type * from '../../core/mail/message-parts.ts'
export type * from '../../core/mail/session.ts'
export type * from './tools.ts'

/** Gives a refusal or a note its code and the values compared; `explain` shows both. */
export interface Why {
  /** Stable and easy to search for: upper-case letters, digits, underscores. */
  readonly code?: string
  readonly facts?: Facts
}

/** What a hook may return. Nothing at all is "no opinion": the next plugin is asked. */
export type HookAnswer = PluginRefusal | PluginNote | undefined | void

export interface PluginRefusal<Kind extends RefusalKind = RefusalKind> extends Why {
  readonly kind: Kind
  readonly status: string
  readonly text: string
}

/** What only the hook `auth` may return besides. */
export interface PluginAcceptance {
  readonly kind: 'accept'
  readonly identity: string
}

/** What only the hook `deliver` may return besides. */
export interface PluginWait extends Why {
  readonly kind: 'wait'
  readonly seconds: number
  readonly text: string
}

export interface PluginNote extends Why {
  readonly kind: 'pass'
  readonly text: string
}

/**
 * Refuses for good. The client hears `text` and a reference; the basic reply code follows from the hook. At `deliver`
 * the recipients are given up, and the sender reads `text` and reference in the notice.
 *
 * @param status enhanced status code of class 5 (RFC 3463), such as '5.7.1'
 */
export function reject(status: string, text: string, why: Why = {}): PluginRefusal<'reject'> {
  return { kind: 'reject', status, text, ...why }
}

/**
 * Refuses for now; the client is to try again. At `deliver` the queue does, when it would after an attempt that failed.
 *
 * @param status enhanced status code of class 4 (RFC 3463), such as '4.7.1'
 */
export function defer(status: string, text: string, why: Why = {}): PluginRefusal<'defer'> {
  return { kind: 'defer', status, text, ...why }
}

/** Refuses and ends the connection. @param status enhanced status code of class 4 or 5 */
export function disconnect(status: string, text: string, why: Why = {}): PluginRefusal<'disconnect'> {
  return { kind: 'disconnect', status, text, ...why }
}

/**
 * At `deliver`: not now. The queue asks again after this time, or when the message expires if that is sooner. It counts
 * as no attempt.
 *
 * @param seconds 1 to 86 400
 */
export function wait(seconds: number, text: string, why: Why = {}): PluginWait {
  return { kind: 'wait', seconds, text, ...why }
}

/** No opinion, and why: nothing changes for the mail, `explain` shows the reason. */
export function pass(text: string, why: Why = {}): PluginNote {
  return { kind: 'pass', text, ...why }
}

/**
 * At `auth`, with the permission `credentials`: the client is who this says. Plugins asked later may still refuse; of
 * several acceptances the first one counts.
 *
 * @param identity what `session.identity` is from now on: 1 to 255 printable characters
 */
export function accept(identity: string): PluginAcceptance {
  return { kind: 'accept', identity }
}

/**
 * Values kept between sessions; keys must match a pattern of the permission `kv` and have 1 to 504 octets. What is
 * refused rejects with a sentence.
 */
export interface KeyValue {
  /** The value, or undefined when there is none or its time is over. */
  get(key: string): Promise<string | undefined>
  /**
   * @param value text of at most 65 536 octets
   * @param options.ttlSeconds life of the value in seconds, 1 to 31 536 000; there is no value without an end
   */
  set(key: string, value: string, options: { readonly ttlSeconds: number }): Promise<void>
  /**
   * Adds to a counter, which starts its life at 0.
   *
   * @param options.by a whole number, 1 when left out
   * @returns the new value
   */
  increment(key: string, options: { readonly by?: number; readonly ttlSeconds: number }): Promise<number>
  /** Forgets a value; nothing happens when there is none. */
  delete(key: string): Promise<void>
}

/** Tables of the configuration, by name; each needs the permission `lookup`. */
export interface Lookup {
  /** Whether the table has this entry; letter case does not matter. */
  has(table: string, entry: string): Promise<boolean>
}

/** Header fields of the message as received; hook `data`, permission `headers.read`. */
export interface Headers {
  /** All fields, top to bottom. */
  all(): readonly HeaderField[]
  /** Value of the first field of this name, unfolded, undefined when there is none. */
  first(name: string): string | undefined
  /**
   * Adds a field above the others (RFC 5322 §2.2); permission `headers.write` must name it.
   *
   * @param value at most 10 000 characters without line ends; beyond US-ASCII it is written as encoded words (RFC 2047)
   */
  add(name: string, value: string): void
  /** Removes every field of this name; permission `headers.write` must name it. */
  remove(name: string): void
}

/** Octets of the message behind the header; hook `data`, permission `body.read`. */
export interface Body {
  /** Piece number `index` (0, 1, …) of at most 65 536 octets, one character an octet; undefined behind the end. */
  chunk(index: number): Promise<string | undefined>
}

/**
 * What is inside the message; hook `data`. Each of these is rejected when the message could not be looked into in time:
 * not caught, that is a failure of the plugin's.
 */
export interface MessageContent {
  /** Its parts and what is in archives; permission `message.parts`. Names and types are what a stranger wrote. */
  parts(): Promise<MessageParts>
  /** SHA-256 of the message as received, in hexadecimal; permission `message.parts`. */
  hash(): Promise<string>
  /**
   * Which of these texts stand in it, each with the first part that has it; permission `body.read`. Looked for in the
   * decoded text of every part that has content, or of `part` and those inside it.
   *
   * @param literals 1 to 100, each of 1 to 256 octets in UTF-8, 8192 in all
   * @param options.ignoreCase letter case does not matter
   * @param options.raw in the octets as received instead, header and encodings included
   */
  search(
    literals: readonly string[],
    options?: { readonly part?: string; readonly ignoreCase?: boolean; readonly raw?: boolean },
  ): Promise<readonly LiteralFound[]>
}

/** Lets this recipient through although its domain may not be ours; hook `rcpt`, permission `relay.grant`. */
export interface Relay {
  grant(): void
}

/** Where copies go; hooks `data`, `queue` and `deliver`, permission `route.set`. The first route given to a recipient stands. */
export interface Route {
  /** @param recipients those it is for; all of them when left out */
  set(destination: string, recipients?: readonly string[]): void
}

/** One line in the gateway's log with the plugin's name and the session; at most 1 000 characters. */
export interface PluginLog {
  info(text: string, fields?: Facts): void
  warn(text: string, fields?: Facts): void
}

/** What a plugin can do besides answering. Each use is checked outside the sandbox. */
export interface Tools {
  readonly kv: KeyValue
  readonly lookup: Lookup
  readonly dns: Dns
  readonly http: Http
  readonly tcp: Tcp
  readonly timer: Timer
  readonly hash: Hash
  readonly metrics: PluginMetrics
  readonly notes: Notes
  readonly headers: Headers
  readonly body: Body
  readonly message: MessageContent
  readonly relay: Relay
  readonly route: Route
  readonly log: PluginLog
  /**
   * Keeps the message in hold until an operator releases it; permission `hold`.
   *
   * @param recipients at `data` and `queue`: whose copies; all of them when left out
   */
  hold(reason: string, recipients?: readonly string[]): void
  /**
   * Throws the message away: its sender is told that it was accepted, and nobody gets it. Hooks `mail`, `rcpt` (this
   * recipient's copy), `data` and `queue`; permission `discard`. A hold, whoever asks for it, wins.
   *
   * @param recipients at `data` and `queue`: whose copies; all of them when left out
   */
  discard(reason: string, recipients?: readonly string[]): void
  /**
   * States a fact of the transaction for plugins asked at later hooks: `transaction.tags`, at `queue` `origin.tags`.
   *
   * @param name 1 to 40 lower-case letters, digits, dots and hyphens
   * @param value at most 200 characters; '' when left out
   */
  tag(name: string, value?: string): void
  /**
   * Shortens the life of the message in the queue; hooks `data` and `queue`. The shortest anybody asks for counts, and
   * never a longer one than the setting `queue.expire`.
   *
   * @param seconds whole, at least 60
   */
  expire(seconds: number): void
}

/** What a plugin asks for; everything not asked for is refused. */
export interface Permissions {
  /** Key patterns: literal, or with one `*` at the end. */
  readonly kv?: readonly string[]
  /** Names of lookup tables. */
  readonly lookup?: readonly string[]
  readonly 'headers.read'?: true
  /** Field names it may add or remove: literal, or with one `*` at the end. */
  readonly 'headers.write'?: readonly string[]
  readonly 'body.read'?: true
  readonly 'message.parts'?: true
  /** Record types, and suffixes the names are at or below; every name without them. An address is `….in-addr.arpa`. */
  readonly dns?: {
    readonly types: readonly ('A' | 'AAAA' | 'MX' | 'TXT' | 'PTR')[]
    readonly suffixes?: readonly string[]
  }
  /** Origins such as `https://api.example.test`, without a path. */
  readonly http?: readonly string[]
  /** Services such as `clamd.example.test:3310`, each `host:port`. */
  readonly tcp?: readonly string[]
  /** Names of plugins whose notes it reads. */
  readonly notes?: readonly string[]
  /** Critical: names of secrets it may have put into requests. */
  readonly secrets?: readonly string[]
  readonly refuse?: readonly ('reject' | 'defer')[]
  readonly hold?: true
  readonly discard?: true
  /** Critical: decides who may send anywhere. */
  readonly 'relay.grant'?: true
  /** Critical: destinations it may send mail to; literal, or with one `*` at the end. */
  readonly 'route.set'?: readonly string[]
  /** Critical: sees passwords and tokens at `auth`, and says with `accept` who a client is. */
  readonly credentials?: true
}

/** Schema of a plugin's configuration: a small part of JSON Schema, checked inside the plughost. */
export type ConfigSchema =
  | ({
      readonly type: 'string'
      readonly enum?: readonly string[]
      readonly const?: string
      readonly default?: string
    } & SchemaNotes &
      LengthBounds)
  | ({
      readonly type: 'integer' | 'number'
      readonly enum?: readonly number[]
      readonly const?: number
      readonly default?: number
    } & SchemaNotes &
      NumberBounds)
  | ({ readonly type: 'boolean'; readonly const?: boolean; readonly default?: boolean } & SchemaNotes)
  | ({
      readonly type: 'array'
      readonly items: ConfigSchema
      readonly default?: readonly unknown[]
      readonly maxItems?: number
    } & SchemaNotes)
  | ObjectSchema

export interface ObjectSchema extends SchemaNotes {
  readonly type: 'object'
  readonly properties?: Readonly<Record<string, ConfigSchema>>
  readonly required?: readonly string[]
  /** Schema of the values of keys not listed; without it such keys are refused. */
  readonly additionalProperties?: ConfigSchema
  readonly default?: Readonly<Record<string, unknown>>
}

interface SchemaNotes {
  readonly description?: string
}
interface NumberBounds {
  readonly minimum?: number
  readonly maximum?: number
}
interface LengthBounds {
  readonly minLength?: number
  readonly maxLength?: number
}

/** The value a schema describes, with its defaults applied. */
export type ConfigOf<S> = S extends { readonly type: 'string'; readonly enum: readonly (infer E)[] }
  ? E
  : S extends { readonly type: 'string' }
    ? string
    : S extends { readonly type: 'integer' | 'number' }
      ? number
      : S extends { readonly type: 'boolean' }
        ? boolean
        : S extends { readonly type: 'array'; readonly items: infer I }
          ? readonly ConfigOf<I>[]
          : S extends { readonly type: 'object' }
            ? ObjectOf<S>
            : Readonly<Record<string, never>>

type ObjectOf<S> = (S extends { readonly properties: infer P } ? PropertiesOf<P, RequiredKeys<S>> : unknown) &
  (S extends { readonly additionalProperties: infer V } ? Readonly<Record<string, ConfigOf<V>>> : unknown)

type RequiredKeys<S> = S extends { readonly required: readonly (infer K)[] } ? K : never

type PropertiesOf<P, R> = {
  readonly [K in keyof P as P[K] extends { readonly default: unknown }
    ? K
    : K extends R
      ? K
      : never]: ConfigOf<P[K]>
} & {
  readonly [K in keyof P as P[K] extends { readonly default: unknown }
    ? never
    : K extends R
      ? never
      : K]?: ConfigOf<P[K]>
}

/** One function per hook; a promise is waited for. */
export type Hooks<C> = {
  readonly [H in keyof HookEvents]?: (
    event: HookEvents[H],
    tools: Tools,
    config: C,
  ) => AnswerAt<H> | Promise<AnswerAt<H>>
}

interface OtherAnswers {
  readonly auth: HookAnswer | PluginAcceptance
  readonly deliver: Exclude<HookAnswer, PluginRefusal> | PluginRefusal<'reject' | 'defer'> | PluginWait
  readonly tell: Exclude<HookAnswer, PluginRefusal>
}

type AnswerAt<H> = H extends keyof OtherAnswers ? OtherAnswers[H] : HookAnswer

export interface PluginDefinition<S extends ConfigSchema | undefined> {
  /** Lower-case letters, digits and hyphens, at most 40. */
  readonly name: string
  readonly version: string
  /** Version of this interface: 1. */
  readonly api: 1
  readonly permissions?: Permissions
  readonly config?: S
  readonly hooks: Hooks<ConfigOf<S>>
}

/** Gives the definition its types; the configuration's type follows from its schema. */
export function definePlugin<const S extends ConfigSchema | undefined = undefined>(
  definition: PluginDefinition<S>,
): PluginDefinition<S> {
  return definition
}
