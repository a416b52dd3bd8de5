import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chosenRoutes, headerEdits, holdReasons } from '../../../core/hooks/actions.ts'
import type { TakenAction } from '../../../core/hooks/runner.ts'
import type { Action } from '../../../core/mail/answer.ts'

const taken = (...actions: readonly Action[]): readonly TakenAction[] =>
  actions.map((action, index) => ({ plugin: `p${index}`, action }))

test('added fields come in the order they were asked for, removed names in lower case', () => {
  const edits = headerEdits(
    taken(
      { kind: 'header.add', name: 'X-A', value: '1' },
      { kind: 'header.remove', name: 'X-Spam' },
      { kind: 'header.add', name: 'X-B', value: '2' },
      { kind: 'hold', text: 'no edit' },
    ),
  )
  assert.equal(edits.prepend, 'X-A: 1\r\nX-B: 2\r\n')
  assert.deepEqual([...edits.remove], ['x-spam'])
})

for (const action of [
  { kind: 'header.add', name: 'X-A', value: '1\r\nBcc: all' },
  { kind: 'header.add', name: 'X A', value: '1' },
  { kind: 'header.add', name: '', value: '1' },
  { kind: 'header.remove', name: 'X:A' },
] as const) {
  test(`${JSON.stringify(action)} does not get into a header`, () => {
    assert.throws(() => headerEdits(taken(action)), TypeError)
  })
}

test('reasons to hold name the plugin', () => {
  const reasons = holdReasons(
    taken({ kind: 'hold', text: 'odd' }, { kind: 'relay.grant' }, { kind: 'hold', text: '' }),
  )
  assert.deepEqual(reasons, ['p0: odd', 'p2'])
})

test('chosen routes come in the order of asking', () => {
  const routes = chosenRoutes(
    taken(
      { kind: 'route.set', destination: 'discard:', recipients: null },
      { kind: 'hold', text: '' },
      { kind: 'route.set', destination: 'maildir:/x', recipients: ['a@b.test'] },
    ),
  )
  assert.deepEqual(routes, [
    { plugin: 'p0', destination: 'discard:', recipients: null },
    { plugin: 'p2', destination: 'maildir:/x', recipients: ['a@b.test'] },
  ])
})
