import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  chosenRoutes,
  firstDiscard,
  headerEdits,
  holdReason,
  shortestLife,
  tagsOf,
} from '../../../core/hooks/actions.ts'
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
      { kind: 'hold', text: 'no edit', recipients: null },
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

const hold = (text: string, recipients: readonly string[] | null = null): Action => ({
  kind: 'hold',
  text,
  recipients,
})
const discard = (text: string, recipients: readonly string[] | null = null): Action => ({
  kind: 'discard',
  text,
  recipients,
})

test('reasons to hold name the plugin, each once, and are for the recipients named', () => {
  const actions = taken(hold('odd'), { kind: 'relay.grant' }, hold(''), hold('late', ['b@x.test']))
  assert.equal(holdReason(actions, 'a@x.test'), 'p0: odd; p2')
  assert.equal(holdReason(actions, 'b@x.test'), 'p0: odd; p2; p3: late')
  assert.equal(holdReason([...actions, ...taken(hold('odd'))], 'a@x.test'), 'p0: odd; p2')
  assert.equal(holdReason(taken(discard('no')), 'a@x.test'), null)
})

test('the first to discard a recipient is told', () => {
  const actions = taken(hold('odd'), discard('spam', ['a@x.test']), discard('all'))
  assert.deepEqual(firstDiscard(actions, 'a@x.test'), { plugin: 'p1', reason: 'spam' })
  assert.deepEqual(firstDiscard(actions, 'b@x.test'), { plugin: 'p2', reason: 'all' })
  assert.equal(firstDiscard(taken(discard('none', [])), 'a@x.test'), null)
})

test('the shortest life is the one that counts, of equal ones the first', () => {
  const life = (seconds: number): Action => ({ kind: 'expire', seconds })
  assert.deepEqual(shortestLife(taken(life(600), life(120), life(120), life(900))), {
    plugin: 'p1',
    seconds: 120,
  })
  assert.equal(shortestLife(taken(hold('odd'))), null)
})

test('a tag stated again has its new value, another plugin its own, and thirty-two is all', () => {
  const tag = (name: string, value = ''): Action => ({ kind: 'tag', name, value })
  const twice = taken(tag('a', 'old'), tag('a', 'theirs')).concat(taken(tag('a', 'new')))
  assert.deepEqual(tagsOf(twice).tags, [
    { plugin: 'p0', name: 'a', value: 'new' },
    { plugin: 'p1', name: 'a', value: 'theirs' },
  ])
  const many = Array.from({ length: 34 }, (_, i) => ({ plugin: 'p', action: tag(`t${i}`) }))
  const { tags, leftOut } = tagsOf([...many, { plugin: 'p', action: tag('t0', 'again') }])
  assert.equal(tags.length, 32)
  assert.equal(tags[0]?.value, 'again')
  assert.deepEqual(
    leftOut.map(({ name }) => name),
    ['t32', 't33'],
  )
})

test('chosen routes come in the order of asking', () => {
  const routes = chosenRoutes(
    taken(
      { kind: 'route.set', destination: 'discard:', recipients: null },
      { kind: 'hold', text: '', recipients: null },
      { kind: 'route.set', destination: 'maildir:/x', recipients: ['a@b.test'] },
    ),
  )
  assert.deepEqual(routes, [
    { plugin: 'p0', destination: 'discard:', recipients: null },
    { plugin: 'p2', destination: 'maildir:/x', recipients: ['a@b.test'] },
  ])
})
