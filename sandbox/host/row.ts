/**
 * A row: calls for the same plugins that enter each isolate in one stay. What a stay costs beside the plugin's own work
 * is then paid once, and while nobody has an opinion nothing is done for each of them. Which call a stay was cut short by
 * nobody can tell, so the calls of such a row are entered again, each by itself.
 */
import type { PluginReportTuple } from '../protocol/messages.ts'
import type { Call, Turn } from './turn-queue.ts'

/** Calls of one row at most: so many short ones fit into the time of one stay many times. */
const MAX_CALLS = 32
/** Characters of their events and fields at most. */
const MAX_CHARS = 128 * 1024

export interface Row {
  /** All of the same route. What they know of how far they are is out of date while they are here. */
  readonly calls: readonly Call[]
  /** Index in the route of the plugin whose turn it is. */
  readonly at: number
  /** Of the plugins that had the row as it is: the same for each of its calls. */
  readonly reports: readonly PluginReportTuple[]
  /** Written when it first enters an isolate: many a row ends before. */
  text: RowText | null
}

/** What the prelude's `__startRow` takes. */
export interface RowText {
  /** JSON array of what `__start` takes, lengths in the place of the subject's JSON and the fields. */
  readonly json: string
  /** Those, one behind the other. */
  readonly texts: string
}

/** The turns from `from` on that can be one row. */
export function rowFrom(
  turns: readonly Turn[],
  from: number,
  mayBeIn: (turn: Turn) => boolean,
): readonly Call[] {
  const row: Call[] = []
  let chars = 0
  for (let at = from; at < turns.length && row.length < MAX_CALLS; at++) {
    const turn = turns[at] as Turn
    const { route, told } = turn.call
    chars += told.event.length + told.subjectJson.length + told.fields.length
    if (chars > MAX_CHARS || turn.answer !== null || route !== (row[0] ?? turn.call).route || !mayBeIn(turn))
      break
    row.push(turn.call)
  }
  return row
}

/** @param reports of plugins before `at` that these calls have not booked yet */
export function makeRow(calls: readonly Call[], at: number, reports: readonly PluginReportTuple[]): Row {
  return { calls, at, reports, text: null }
}

export function textOf(calls: readonly Call[]): RowText {
  let json = ''
  let texts = ''
  for (const { id, route, now, seed, told } of calls) {
    const { event, subject, subjectJson, fields } = told
    const lengths = `${subjectJson.length},${fields.length}`
    json += `${json === '' ? '[' : ','}[${now},${seed},${id},"${route.hook}",${event},"${subject}",${lengths}]`
    texts += subjectJson + fields
  }
  return { json: `${json}]`, texts }
}
