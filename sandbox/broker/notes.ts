/**
 * Capability `notes`: what a plugin wants to know again at a later call of the same transaction or session. Held here,
 * outside of the isolates, so that a plugin that is replaced still has them.
 */
import type { HookName } from '../../core/mail/hook-events.ts'
import {
  type AskedQuestion,
  type Caller,
  EffectRefused,
  type NamedEffect,
  PermissionDenied,
  QuotaExceeded,
} from './effect.ts'

/** Octets of one plugin, in a transaction and in a session: keys, JSON, and `ENTRY_BYTES` for each note. */
export const MAX_NOTES_BYTES = 16_384
/** Notes of one plugin, in a transaction and in a session. */
export const MAX_NOTES = 100
/** What an entry takes beside its key and value, about. */
const ENTRY_BYTES = 100
const MAX_KEY_CHARS = 100
/** Sessions kept for one plugin; an end that is not told would keep them for ever. */
const MAX_SESSIONS = 10_000
/** Octets of one plugin, in all sessions. */
const MAX_PLUGIN_BYTES = 64 * 1024 * 1024
/** Sessions that are over and whose calls may still be under way. */
const MAX_ENDED = 500

/** Where there are notes. At `queue` nobody knows which transaction of a session it was: tags go that far. */
const HOOKS: ReadonlySet<HookName> = new Set<HookName>(['connect', 'helo', 'auth', 'mail', 'rcpt', 'data'])

/** JSON by key. */
class Notes {
  readonly #byKey = new Map<string, string>()
  bytes = 0

  get(key: string): string | undefined {
    return this.#byKey.get(key)
  }

  /** @throws QuotaExceeded */
  set(key: string, json: string | undefined): void {
    const grown = sizeOf(key, json) - sizeOf(key, this.#byKey.get(key))
    if (grown > 0 && this.bytes + grown > MAX_NOTES_BYTES)
      throw new QuotaExceeded('notes.bytes', `the notes of a plugin have at most ${MAX_NOTES_BYTES} octets`)
    if (json !== undefined && !this.#byKey.has(key) && this.#byKey.size >= MAX_NOTES)
      throw new QuotaExceeded('notes.count', `a plugin has at most ${MAX_NOTES} notes`)
    if (json === undefined) this.#byKey.delete(key)
    else this.#byKey.set(key, json)
    this.bytes += grown
  }
}

interface Kept {
  readonly session: Notes
  transaction: { readonly number: number; readonly notes: Notes } | null
}

/** The notes of one plugin by session, the least recently used first: no plugin pushes out another's. */
class PluginNotes {
  readonly sessions = new Map<string, Kept>()
  #bytes = 0

  /** JSON of a note: the transaction's, else the session's. */
  get(question: AskedQuestion, key: string): string | undefined {
    const kept = this.sessions.get(question.session)
    if (kept === undefined) return undefined
    this.#use(question.session, kept)
    return ofTransaction(kept, question)?.get(key) ?? kept.session.get(key)
  }

  /** @throws QuotaExceeded */
  set(question: AskedQuestion, key: string, json: string | undefined, isOfSession: boolean): void {
    const kept = this.sessions.get(question.session) ?? { session: new Notes(), transaction: null }
    const current = isOfSession ? null : ofTransaction(kept, question)
    let notes = current ?? kept.session
    if (current === null && !isOfSession && question.transaction !== null) {
      this.#bytes -= kept.transaction?.notes.bytes ?? 0
      notes = new Notes()
      kept.transaction = { number: question.transaction, notes }
    }
    const before = notes.bytes
    notes.set(key, json)
    this.#bytes += notes.bytes - before
    this.#use(question.session, kept)
    for (const session of this.sessions.keys()) {
      if (this.sessions.size <= MAX_SESSIONS && this.#bytes <= MAX_PLUGIN_BYTES) return
      this.forget(session)
    }
  }

  forget(session: string): void {
    const kept = this.sessions.get(session)
    if (kept === undefined) return
    this.sessions.delete(session)
    this.#bytes -= kept.session.bytes + (kept.transaction?.notes.bytes ?? 0)
  }

  #use(session: string, kept: Kept): void {
    this.sessions.delete(session)
    this.sessions.set(session, kept)
  }
}

/** The notes of all sessions of a worker. A reload keeps them. */
export class SessionNotes {
  readonly #plugins = new Map<string, PluginNotes>()
  /** The oldest first. */
  readonly #ended = new Set<string>()

  /** How many sessions have notes. */
  get size(): number {
    return new Set([...this.#plugins.values()].flatMap(({ sessions }) => [...sessions.keys()])).size
  }

  /** JSON of a note: the transaction's, else the session's. */
  get({ question }: Caller, plugin: string, key: string): string | undefined {
    return this.#plugins.get(plugin)?.get(question, key)
  }

  /** Of a session that is over nothing is noted. @throws QuotaExceeded */
  set({ plugin, question }: Caller, key: string, json: string | undefined, isOfSession: boolean): void {
    if (this.#ended.has(question.session)) return
    let notes = this.#plugins.get(plugin)
    if (notes === undefined) this.#plugins.set(plugin, (notes = new PluginNotes()))
    notes.set(question, key, json, isOfSession)
  }

  /** The session is over. */
  forget(session: string): void {
    for (const notes of this.#plugins.values()) notes.forget(session)
    this.#ended.add(session)
    const [oldest] = this.#ended
    if (oldest !== undefined && this.#ended.size > MAX_ENDED) this.#ended.delete(oldest)
  }
}

/** Those of this very transaction; null when it has none, and at hooks before there is one. */
function ofTransaction({ transaction }: Kept, question: AskedQuestion): Notes | null {
  return transaction !== null && transaction.number === question.transaction ? transaction.notes : null
}

export function notesEffects(notes: SessionNotes): readonly NamedEffect[] {
  return [
    [
      'notes.get',
      {
        write: false,
        run: async (caller, [key, of]) => {
          checkHook(caller)
          const json = notes.get(caller, whoseNotes(caller, of), checkedKey(key))
          return json === undefined ? undefined : (JSON.parse(json) as unknown)
        },
      },
    ],
    [
      'notes.set',
      {
        // Set twice it is the same.
        write: false,
        run: async (caller, [key, value, isOfSession]) => {
          checkHook(caller)
          const json = value === null || value === undefined ? undefined : JSON.stringify(value)
          notes.set(caller, checkedKey(key), json, isOfSession === true)
        },
      },
    ],
  ]
}

function whoseNotes({ plugin, permissions }: Caller, of: unknown): string {
  if (of === null || of === plugin) return plugin
  if (typeof of !== 'string') throw new EffectRefused('"plugin" is the name of one')
  if (!permissions.notes.matches(of))
    throw new PermissionDenied('notes', `the permission notes does not cover the plugin "${of}"`)
  return of
}

function checkHook({ question: { hook } }: Caller): void {
  if (!HOOKS.has(hook)) throw new EffectRefused(`there are no notes at ${hook}`)
}

function checkedKey(key: unknown): string {
  if (typeof key !== 'string' || key === '' || key.length > MAX_KEY_CHARS)
    throw new EffectRefused(`the key of a note is text of 1 to ${MAX_KEY_CHARS} characters`)
  return key
}

function sizeOf(key: string, json: string | undefined): number {
  return json === undefined ? 0 : ENTRY_BYTES + Buffer.byteLength(key) + Buffer.byteLength(json)
}
