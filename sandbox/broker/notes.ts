/**
 * Capability `notes`: what a plugin wants to know again at a later call of the same transaction or session. Held here,
 * outside of the isolates, so that a plugin that is replaced still has them.
 */
import type { HookName } from '../../core/mail/hook-events.ts'
import { type Caller, EffectRefused, type NamedEffect, PermissionDenied, QuotaExceeded } from './effect.ts'

/** Octets of JSON of one plugin, in a transaction and in a session. */
export const MAX_NOTES_BYTES = 16_384
const MAX_KEY_CHARS = 100
/** Sessions kept; an end that is not told would keep them for ever. */
const MAX_SESSIONS = 10_000
const MAX_BYTES = 64 * 1024 * 1024

/** Where there are notes. At `queue` nobody knows which transaction of a session it was: tags go that far. */
const HOOKS: ReadonlySet<HookName> = new Set<HookName>(['connect', 'helo', 'auth', 'mail', 'rcpt', 'data'])

/** JSON by key, by plugin. */
class Notes {
  readonly #byPlugin = new Map<string, Map<string, string>>()
  bytes = 0

  get(plugin: string, key: string): string | undefined {
    return this.#byPlugin.get(plugin)?.get(key)
  }

  /** @throws QuotaExceeded */
  set(plugin: string, key: string, json: string | undefined): void {
    const own = this.#byPlugin.get(plugin) ?? new Map<string, string>()
    const before = sizeOf(key, own.get(key))
    const grown = sizeOf(key, json) - before
    const total = [...own].reduce((sum, [name, value]) => sum + sizeOf(name, value), grown)
    if (grown > 0 && total > MAX_NOTES_BYTES)
      throw new QuotaExceeded('notes.bytes', `the notes of a plugin have at most ${MAX_NOTES_BYTES} octets`)
    if (json === undefined) own.delete(key)
    else own.set(key, json)
    this.#byPlugin.set(plugin, own)
    this.bytes += grown
  }
}

interface Kept {
  readonly session: Notes
  transaction: { readonly number: number; readonly notes: Notes } | null
}

/** The notes of all sessions of a worker. A reload keeps them. */
export class SessionNotes {
  /** The least recently used first. */
  readonly #sessions = new Map<string, Kept>()
  #bytes = 0

  /** How many sessions have notes. */
  get size(): number {
    return this.#sessions.size
  }

  /** JSON of a note: the transaction's, else the session's. */
  get({ question }: Caller, plugin: string, key: string): string | undefined {
    const kept = this.#sessions.get(question.session)
    if (kept === undefined) return undefined
    return this.#ofTransaction(kept, question)?.get(plugin, key) ?? kept.session.get(plugin, key)
  }

  /** @throws QuotaExceeded */
  set({ plugin, question }: Caller, key: string, json: string | undefined, isOfSession: boolean): void {
    const kept = this.#sessions.get(question.session) ?? { session: new Notes(), transaction: null }
    const current = isOfSession ? null : this.#ofTransaction(kept, question)
    let notes = current ?? kept.session
    if (current === null && !isOfSession && question.transaction !== null) {
      this.#bytes -= kept.transaction?.notes.bytes ?? 0
      notes = new Notes()
      kept.transaction = { number: question.transaction, notes }
    }
    const before = notes.bytes
    notes.set(plugin, key, json)
    this.#bytes += notes.bytes - before
    this.#sessions.delete(question.session)
    this.#sessions.set(question.session, kept)
    this.#bound()
  }

  /** The session is over. */
  forget(session: string): void {
    const kept = this.#sessions.get(session)
    if (kept === undefined) return
    this.#sessions.delete(session)
    this.#bytes -= kept.session.bytes + (kept.transaction?.notes.bytes ?? 0)
  }

  /** Those of this very transaction; null when it has none, and at hooks before there is one. */
  #ofTransaction({ transaction }: Kept, question: Caller['question']): Notes | null {
    return transaction !== null && transaction.number === question.transaction ? transaction.notes : null
  }

  #bound(): void {
    for (const session of this.#sessions.keys()) {
      if (this.#sessions.size <= MAX_SESSIONS && this.#bytes <= MAX_BYTES) return
      this.forget(session)
    }
  }
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
  return json === undefined ? 0 : Buffer.byteLength(key) + Buffer.byteLength(json)
}
