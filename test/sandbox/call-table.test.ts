/** Numbers of calls: none is given twice while somebody has it, and an old one finds nobody. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CallTable, MAX_CALLS } from '../../sandbox/protocol/call-table.ts'

function taken(table: CallTable<{ readonly id: number }>): { readonly id: number } {
  const call = { id: table.nextId() }
  table.add(call)
  return call
}

test('a call is found by its number until it is over, and by no number its place had before', () => {
  const table = new CallTable<{ readonly id: number }>()
  const first = taken(table)
  assert.equal(table.get(first.id), first)
  table.delete(first.id)
  assert.equal(table.get(first.id), undefined)
  const later = { id: first.id + MAX_CALLS }
  table.add(later)
  assert.equal(table.get(first.id), undefined)
  table.delete(first.id)
  assert.equal(table.get(later.id), later)
  assert.equal(table.size, 1)
})

test('a full table has every number once, in order, and the place that is free again is found', () => {
  const table = new CallTable<{ readonly id: number }>()
  const calls = Array.from({ length: MAX_CALLS }, () => taken(table))
  assert.equal(table.size, MAX_CALLS)
  assert.deepEqual(table.values(), calls)
  const gone = calls[700] as { readonly id: number }
  table.delete(gone.id)
  const next = taken(table)
  assert.equal(next.id, gone.id + MAX_CALLS)
  assert.deepEqual(table.values().at(-1), next)
})
