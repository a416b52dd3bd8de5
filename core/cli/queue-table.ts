/** Queue entries as a table, one recipient a line. */
import type { QueueEntry } from '../admin/control.ts'
import { formatBytes, formatDuration, formatRelative } from './quantity.ts'
import { type Column, formatTable } from './table.ts'

const COLUMNS: readonly Column[] = [
  { title: 'ID' },
  { title: 'AGE', align: 'right' },
  { title: 'STATE' },
  { title: 'SIZE', align: 'right' },
  { title: 'FROM' },
  { title: 'TO' },
  { title: 'ROUTE' },
  { title: 'ATTEMPTS', align: 'right' },
  { title: 'NEXT / REASON' },
]

/** @param width columns of the terminal, null when there is none */
export function formatQueue(
  entries: readonly QueueEntry[],
  now: number,
  width: number | null,
): readonly string[] {
  const rows = entries.map((entry) => [
    entry.message,
    formatDuration(now - entry.acceptedAt),
    entry.state,
    formatBytes(entry.sizeBytes),
    entry.reversePath === '' ? '<>' : entry.reversePath,
    entry.address,
    entry.route,
    String(entry.attempts),
    whatNext(entry, now),
  ])
  return formatTable(COLUMNS, rows, width)
}

/** What a recipient waits for, and why. */
export function whatNext({ state, leased, dueAt, detail }: QueueEntry, now: number): string {
  if (leased) return 'being delivered right now'
  if (state !== 'due') return detail
  const when = dueAt <= now ? 'due now' : formatRelative(dueAt, now)
  return detail === '' ? when : `${when}: ${detail}`
}
