/** A queue filter as a condition of SQL over `recipient AS r` and `message AS m`. */
import type { QueueFilter } from './queue-store.ts'

export interface Condition {
  /** Terms joined by AND, at least one. */
  readonly sql: string
  /** Values of the question marks, in order. */
  readonly values: readonly (string | number)[]
}

/** Addresses are compared without regard to case; `@domain` means every address there. */
export function conditionOf(filter: QueueFilter): Condition {
  const terms = ['true']
  const values: (string | number)[] = []
  const require = (term: string, value: string | number): void => {
    terms.push(term)
    values.push(value)
  }
  if (filter.message !== undefined) {
    require('r.message = (SELECT number FROM message WHERE id = ?)', filter.message)
  }
  if (filter.state !== undefined) require('r.state = ?', filter.state)
  if (filter.route !== undefined) require('r.route = ?', filter.route)
  if (filter.to !== undefined) require(...addressTerm('r.address', filter.to))
  if (filter.from !== undefined) {
    require(...addressTerm('m.reverse_path', filter.from === '<>' ? '' : filter.from))
  }
  // Not LIKE: its wildcards would have to be escaped.
  if (filter.reason !== undefined) require('instr(lower(r.detail), lower(?)) > 0', filter.reason)
  if (filter.acceptedBefore !== undefined) require('m.accepted_at < ?', filter.acceptedBefore)
  if (filter.acceptedSince !== undefined) require('m.accepted_at >= ?', filter.acceptedSince)
  return { sql: terms.join(' AND '), values }
}

function addressTerm(column: string, wanted: string): [term: string, value: string] {
  // Only an address with a local part is meant whole; LIKE would need its wildcards escaped.
  const compared = wanted.startsWith('@') ? `substr(lower(${column}), -${wanted.length})` : `lower(${column})`
  return [`${compared} = lower(?)`, wanted]
}
