/**
 * A name for everything that leaves by the same mail exchangers: domains of one provider share connections and limits
 * without anybody listing them. `(alt1|alt2)?.gmail-smtp-in.l.google.com` reads as what it stands for. Pure.
 */
import { createHash } from 'node:crypto'
import type { MailExchanger } from './mail-exchangers.ts'

const MAX_NAME = 255

/**
 * The site of these hosts. Labels are lined up from the right, in the order of preference, then of the alphabet: the
 * chance by which equal hosts are shuffled does not matter, another order of preference is another site.
 *
 * Two sets of hosts never have the same name: mail must not reach a host because a foreign domain has one that looks
 * like it. Where the short form would stand for more hosts than there are, they are listed instead.
 *
 * @param hosts with host names; '' when there are none
 */
export function siteName(hosts: readonly MailExchanger[]): string {
  const sorted = hosts.toSorted((a, b) => a.preference - b.preference || compare(a.name, b.name))
  const names = [...new Set(sorted.map(({ name }) => name.toLowerCase()))]
  return factored(names) ?? listed(names)
}

/** The short form; null when it would stand for other hosts too. */
function factored(names: readonly string[]): string | null {
  const rows = names.map((name) => name.split('.').toReversed())
  const longest = Math.max(0, ...rows.map((row) => row.length))
  const shortest = Math.min(...rows.map((row) => row.length))
  const columns = Array.from({ length: longest }, (_, i) => [...new Set(rows.flatMap((row) => row[i] ?? []))])
  if (standsFor(columns, shortest) !== names.length) return null
  const labels = columns.map((column, i) => {
    const [label = ''] = column
    if (i >= shortest) return `(${column.join('|')})?`
    return column.length === 1 ? label : `(${column.join('|')})`
  })
  const name = labels.toReversed().join('.')
  return name.length <= MAX_NAME ? name : null
}

/** How many names have one label of each column, at least of the first `shortest` ones. */
function standsFor(columns: readonly (readonly string[])[], shortest: number): number {
  let names = 0
  let soLong = 1
  columns.forEach((column, i) => {
    soLong *= column.length
    if (i + 1 >= shortest) names += soLong
  })
  return names
}

function listed(names: readonly string[]): string {
  const all = names.join('|')
  if (all.length <= MAX_NAME) return all
  const digest = createHash('sha256').update(all).digest('hex').slice(0, 32)
  return `${names[0]}|+${names.length - 1}|${digest}`
}

/** By code units, the same everywhere. */
function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
