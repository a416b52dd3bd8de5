/**
 * The decision record: what every plugin said to every event, "no opinion" too, and what became of the mail. Kept in
 * memory for the newest sessions; found by session, by queue id, or by the reference in a refusal.
 */
import type { Action, Answer, Fault, Reason } from '../mail/answer.ts'
import type { HookName } from '../mail/hook-events.ts'
import type { Client } from '../mail/session.ts'
import type { Clock } from './clock.ts'
import { newReference } from './identifier.ts'

/** What one plugin, or the core itself, decided. */
export interface Decision {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly hook: HookName
  /** `core` when the core itself refused. */
  readonly plugin: string
  readonly build: string
  readonly answer: 'none' | 'reject' | 'defer' | 'disconnect' | 'fault'
  /** Status, text, code and facts of the refusal, or of the note that came with "no opinion". */
  readonly status: string
  readonly text: string
  readonly code: string
  readonly facts: Reason['facts']
  readonly actions: readonly Action[]
  readonly fault: Fault | null
  /** What a failing plugin means by configuration; null when it did not fail. */
  readonly onError: string | null
  readonly wallMicros: number
  readonly cpuMicros: number
  /** Reference given to the client, '' without a refusal. */
  readonly reference: string
}

/** One step of a message's way that no plugin decided: a command, a queue id, an attempt. */
export interface Step {
  readonly at: number
  readonly event: string
  readonly detail: Readonly<Record<string, unknown>>
}

/** A report of the runner, as far as the record needs it. */
export interface Reported {
  readonly plugin: { readonly name: string; readonly build: string; readonly onError: string }
  readonly answer: Answer | null
  readonly fault: Fault | null
  readonly wallMicros: number
  readonly cpuMicros: number
}

/** A session as `explain` prints it. */
export interface RecordedSession {
  readonly id: string
  readonly client: Client
  readonly startedAt: number
  readonly entries: readonly (Decision | Step)[]
}

/**
 * Decisions of plugins that had nothing to say: by far the most, so they lie in one array, without an object each, until
 * somebody asks.
 */
class NoOpinions {
  /**
   * One question after the other: milliseconds since the session began, hook, how many plugins were asked, and of each
   * the plugin, wallMicros and cpuMicros.
   */
  readonly #members: (number | HookName | Reported['plugin'])[] = []

  /** @returns where they are */
  add(afterMs: number, hook: HookName, reports: readonly Reported[]): number {
    const place = this.#members.length
    this.#members.push(afterMs, hook, reports.length)
    for (const { plugin, wallMicros, cpuMicros } of reports) this.#members.push(plugin, wallMicros, cpuMicros)
    return place
  }

  decisions(place: number, sessionStartedAt: number): readonly Decision[] {
    const [afterMs, hook, count] = this.#members.slice(place, place + 3) as [number, HookName, number]
    return Array.from({ length: count }, (_, index) => {
      const from = place + 3 + index * 3
      const [plugin, wallMicros, cpuMicros] = this.#members.slice(from, from + 3) as [
        Reported['plugin'],
        number,
        number,
      ]
      return {
        at: sessionStartedAt + afterMs,
        hook,
        plugin: plugin.name,
        build: plugin.build,
        answer: 'none',
        status: '',
        ...NOTHING_SAID,
        actions: NO_ACTIONS,
        fault: null,
        onError: null,
        wallMicros,
        cpuMicros,
        reference: '',
      }
    })
  }

  /** Takes some over from another list. @returns where they are here */
  take(other: NoOpinions, place: number): number {
    const here = this.#members.length
    const count = other.#members[place + 2] as number
    this.#members.push(...other.#members.slice(place, place + 3 + count * 3))
    return here
  }
}

function isNoOpinion({ refusal, note, actions }: Answer): boolean {
  return refusal === null && note === null && actions.length === 0
}

export class SessionRecord {
  readonly id: string
  readonly client: Client
  readonly startedAt: number
  /** A number is a place in `#noOpinions`. */
  #entries: (Decision | Step | number)[] = []
  #noOpinions = new NoOpinions()
  readonly keys: string[] = []
  /** About so many octets of memory. */
  octets = SESSION_OCTETS
  /** Of each entry. */
  readonly #sizes: number[] = []
  readonly #records: DecisionRecords

  constructor(records: DecisionRecords, id: string, client: Client, startedAt: number) {
    this.#records = records
    this.id = id
    this.client = client
    this.startedAt = startedAt
  }

  /** Every entry, in order. */
  get entries(): readonly (Decision | Step)[] {
    return this.#entries.flatMap((entry) =>
      typeof entry === 'number' ? this.#noOpinions.decisions(entry, this.startedAt) : entry,
    )
  }

  /** Books that nobody who was asked had an opinion. */
  noOpinions(hook: HookName, reports: readonly Reported[]): void {
    const afterMs = this.#records.clock.now() - this.startedAt
    const size = NO_OPINION_OCTETS * (1 + reports.length)
    // First, for it moves those that are there: the place of this one would be of the list before.
    this.#makeRoomFor(size)
    this.#append(this.#noOpinions.add(afterMs, hook, reports), size)
  }

  /** Books a plugin's report. Returns the reference of the refusal it is or may become, '' without one. */
  decided(hook: HookName, report: Reported): string {
    const { plugin, answer, fault, wallMicros, cpuMicros } = report
    if (answer !== null && fault === null && isNoOpinion(answer)) {
      this.noOpinions(hook, [report])
      return ''
    }
    const refusal = answer?.refusal ?? null
    const said = refusal ?? answer?.note ?? NOTHING_SAID
    const refuses = refusal !== null || (fault !== null && plugin.onError === 'defer')
    const reference = refuses ? this.#reference() : ''
    this.#push({
      at: this.#records.clock.now(),
      hook,
      plugin: plugin.name,
      build: plugin.build,
      answer: fault !== null ? 'fault' : (refusal?.kind ?? 'none'),
      status: refusal?.status ?? '',
      text: said.text,
      code: said.code,
      facts: said.facts,
      actions: answer?.actions ?? NO_ACTIONS,
      fault,
      onError: fault === null ? null : plugin.onError,
      wallMicros,
      cpuMicros,
      reference,
    })
    return reference
  }

  /** Books a refusal of the core's own; returns its reference. */
  refused(hook: HookName, status: string, text: string, code: string, facts: Reason['facts'] = {}): string {
    const reference = this.#reference()
    this.#push({
      at: this.#records.clock.now(),
      hook,
      plugin: 'core',
      build: '',
      answer: status.startsWith('5') ? 'reject' : 'defer',
      status,
      text,
      code,
      facts,
      actions: NO_ACTIONS,
      fault: null,
      onError: null,
      wallMicros: 0,
      cpuMicros: 0,
      reference,
    })
    return reference
  }

  /** Books a step of the way. */
  step(event: string, detail: Step['detail'] = {}): void {
    this.#push({ at: this.#records.clock.now(), event, detail })
  }

  /** Makes the record findable by a queue id too. */
  knownAs(queueId: string): void {
    this.#findableBy(queueId)
  }

  #reference(): string {
    const reference = newReference()
    this.#findableBy(reference)
    return reference
  }

  #findableBy(key: string): void {
    if (this.keys.length >= MAX_KEYS) {
      this.#records.forget(this.keys.splice(0, MAX_KEYS / 4))
      this.#grow((-MAX_KEYS / 4) * KEY_OCTETS)
    }
    this.keys.push(key)
    this.#records.index(key, this)
    this.#grow(KEY_OCTETS)
  }

  #push(entry: Decision | Step): void {
    const size = octetsOf(entry)
    this.#makeRoomFor(size)
    this.#append(entry, size)
  }

  /** A session that goes on for ever may not grow for ever: the oldest entries behind the first few go. */
  #makeRoomFor(size: number): void {
    if (this.#entries.length >= MAX_ENTRIES) this.#remove(KEPT_FROM_START, MAX_ENTRIES / 4)
    if (this.octets + size > MAX_SESSION_OCTETS) this.#makeRoom()
  }

  #append(entry: Decision | Step | number, size: number): void {
    this.#entries.push(entry)
    this.#sizes.push(size)
    this.#grow(size)
  }

  /** A quarter of what there may be; the first few too when they are what is large. */
  #makeRoom(): void {
    for (const from of [KEPT_FROM_START, 0]) {
      let size = this.octets
      let end = from
      while (size > MAX_SESSION_OCTETS * 0.75 && end < this.#sizes.length) size -= this.#sizes[end++] ?? 0
      this.#remove(from, end - from)
    }
  }

  #remove(from: number, count: number): void {
    this.#entries.splice(from, count)
    this.#grow(-this.#sizes.splice(from, count).reduce((sum, size) => sum + size, 0))
    const left = new NoOpinions()
    this.#entries = this.#entries.map((entry) =>
      typeof entry === 'number' ? left.take(this.#noOpinions, entry) : entry,
    )
    this.#noOpinions = left
  }

  #grow(octets: number): void {
    this.octets += octets
    this.#records.grew(this, octets)
  }
}

/** About what an entry takes: its texts, and something for every member. Cheap, for there are many. */
function octetsOf(value: unknown): number {
  if (typeof value === 'string') return MEMBER_OCTETS + value.length
  if (typeof value !== 'object' || value === null) return MEMBER_OCTETS
  let octets = MEMBER_OCTETS
  for (const key in value) octets += octetsOf((value as Readonly<Record<string, unknown>>)[key])
  return octets
}

/** Of a string, a number, an object: what it takes beside its text. */
const MEMBER_OCTETS = 16
const KEY_OCTETS = 100
const NO_OPINION_OCTETS = 32
/** Of a session without entries. */
const SESSION_OCTETS = 500
/** No session takes more, whatever plugins say in it. */
const MAX_SESSION_OCTETS = 1024 * 1024
const NO_ACTIONS: readonly Action[] = Object.freeze([])
const NOTHING_SAID: Reason = Object.freeze({ text: '', code: '', facts: Object.freeze({}) })
const MAX_ENTRIES = 2_000
/** References and queue ids one session can be found by: a client that never stops being refused may not fill memory. */
const MAX_KEYS = 1_000
const KEPT_FROM_START = 50

/** The ring of the newest sessions. */
export class DecisionRecords {
  readonly clock: Clock
  readonly #capacity: number
  readonly #maxOctets: number
  #octets = 0
  readonly #sessions = new Map<string, SessionRecord>()
  readonly #byKey = new Map<string, SessionRecord>()

  /**
   * @param capacity  sessions kept; 0 keeps none
   * @param maxOctets of memory, about; the newest session is kept however large it is
   */
  constructor(capacity: number, maxOctets: number, clock: Clock) {
    this.#capacity = capacity
    this.#maxOctets = maxOctets
    this.clock = clock
  }

  /** Opens the record of a new session; the oldest one may go for it. */
  open(id: string, client: Client): SessionRecord {
    const record = new SessionRecord(this, id, client, this.clock.now())
    this.#sessions.set(id, record)
    this.grew(record, record.octets)
    if (this.#sessions.size > this.#capacity) this.#forgetOldest()
    return record
  }

  /** By session id, queue id or reference; null when it is not, or no longer, known. */
  find(key: string): RecordedSession | null {
    const record = this.#sessions.get(key) ?? this.#byKey.get(key)
    if (record === undefined) return null
    const { id, client, startedAt, entries } = record
    return { id, client, startedAt, entries }
  }

  /** The record of the session a message came in; null when it is not, or no longer, known. */
  recordOf(queueId: string): SessionRecord | null {
    return this.#byKey.get(queueId) ?? null
  }

  /** Books a step of a message's way; nothing when its session is no longer known. */
  stepOf(queueId: string, event: string, detail: Step['detail']): void {
    this.#byKey.get(queueId)?.step(event, detail)
  }

  /** For SessionRecord: makes `record` findable by `key`. */
  index(key: string, record: SessionRecord): void {
    if (this.#sessions.has(record.id)) this.#byKey.set(key, record)
  }

  /** For SessionRecord: keys that find nothing any more. */
  forget(keys: readonly string[]): void {
    for (const key of keys) this.#byKey.delete(key)
  }

  /** For SessionRecord: what is known takes so much more, or less. The oldest sessions may go for it. */
  grew(record: SessionRecord, octets: number): void {
    if (!this.#sessions.has(record.id)) return
    this.#octets += octets
    while (this.#octets > this.#maxOctets && this.#sessions.size > 1) this.#forgetOldest()
  }

  #forgetOldest(): void {
    for (const [id, record] of this.#sessions) {
      this.#sessions.delete(id)
      this.#octets -= record.octets
      this.forget(record.keys)
      return
    }
  }
}
