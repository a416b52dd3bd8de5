/**
 * A row: calls of one plugin that enter its isolate in one stay. What a stay costs beside the plugin's own work is then
 * paid once. Which of them a stay was cut short by nobody can tell, so the calls of such a row are entered again, each by
 * itself.
 */
import type { Call, Turn } from './turn-queue.ts'

/** Calls of one row at most: so many short ones fit into the time of one stay many times. */
const MAX_CALLS = 32
/** Characters of their events and fields at most. */
const MAX_CHARS = 128 * 1024

/** The turns from `from` on that can be one row; less than two are none. */
export function rowFrom(
  turns: readonly Turn[],
  from: number,
  mayBeIn: (turn: Turn) => boolean,
): readonly Call[] {
  const row: Call[] = []
  let chars = 0
  for (let at = from; at < turns.length && row.length < MAX_CALLS; at++) {
    const turn = turns[at] as Turn
    const { event, subjectJson, fields } = turn.call.told
    chars += event.length + subjectJson.length + fields.length
    if (chars > MAX_CHARS || turn.answer !== null || !mayBeIn(turn)) break
    row.push(turn.call)
  }
  return row
}

/** What the prelude's `__startRow` takes. */
export function textOfRow(row: readonly Call[]): { readonly json: string; readonly texts: string } {
  let json = ''
  let texts = ''
  for (const { id, head, told } of row) {
    const { event, subject, subjectJson, fields } = told
    const lengths = `${subjectJson.length},${fields.length}`
    json += `${json === '' ? '[' : ','}[${head.now},${head.seed},${id},"${head.hook}",${event},"${subject}",${lengths}]`
    texts += subjectJson + fields
  }
  return { json: `${json}]`, texts }
}
