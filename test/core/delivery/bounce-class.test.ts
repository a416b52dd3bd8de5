import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bounceClassOf } from '../../../core/delivery/bounce-class.ts'
import type { Met } from '../../../core/delivery/outcome.ts'
import { BounceClasses } from '../../../core/mail/bounce-classes.ts'
import { remoteFor } from '../../support/fake-remote.ts'
import { standFor } from './delivery-stand.ts'
import { until } from './until.ts'

const CLASSES = new BounceClasses([
  { class: 'bad-mailbox', status: ['x.1.1'] },
  { class: 'tls', status: ['x.7.10', 'x.7.30'] },
  { class: 'size', status: ['5.3.4'] },
  { class: 'busy', code: ['421'] },
])

const ROWS: readonly (readonly [met: Met, expected: string])[] = [
  [{ kind: 'reply', phase: 'rcpt', code: 550, text: '550 5.1.1 gone' }, 'bad-mailbox'],
  [{ kind: 'reply', phase: 'connect', code: 421, text: '421 no' }, 'busy'],
  [{ kind: 'reply', phase: 'dot', code: 554, text: '554 no' }, 'other'],
  [{ kind: 'reply', phase: 'auth', code: 421, text: '421 no' }, 'credentials'],
  [{ kind: 'trouble', phase: 'connect', text: 'ECONNREFUSED' }, 'unreachable'],
  [{ kind: 'trouble', phase: 'tls', text: 'self-signed' }, 'tls'],
  [{ kind: 'trouble', phase: 'auth', text: '535 5.1.1' }, 'credentials'],
  [{ kind: 'trouble', phase: 'dot', text: 'closed' }, 'broken-off'],
  [{ kind: 'no-host', status: '5.7.30', text: 'no REQUIRETLS, 5.1.1' }, 'tls'],
  [{ kind: 'too-large', text: 'too large' }, 'size'],
  [{ kind: 'local', text: 'EIO' }, 'local'],
  [{ kind: 'misrouted', text: 'no route' }, 'local'],
  [{ kind: 'policy', status: '5.1.1', text: 'no', plugin: 'p' }, 'plugin'],
]
for (const [met, expected] of ROWS)
  test(`${JSON.stringify(met)} is ${expected}`, () => assert.equal(bounceClassOf(met, CLASSES), expected))

test('attempt, log line and counts name the class of what was not delivered', async (t) => {
  const remote = await remoteFor(t, ({ verb, argument }) => {
    if (verb !== 'rcpt') return undefined
    return { gone: '550 5.1.1 gone', busy: '450 4.2.1 later' }[argument.split('@')[0] ?? '']
  })
  const stand = await standFor(t, { retryMs: [3_600_000] })
  await stand.accept(remote.route, ['gone@r.test', 'busy@r.test', 'ok@r.test'])
  await until(() => stand.attempts.length === 1)
  const classes = stand.attempts[0]?.recipients.map((one) => [one.result, one.class])
  assert.deepEqual(classes, [
    ['held', 'bad-mailbox'],
    ['deferred', 'other'],
    ['delivered', undefined],
  ])
  const logged = stand.lines.find(({ event }) => event === 'delivery-attempt')?.['recipients']
  assert.deepEqual(logged, stand.attempts[0]?.recipients)
  const { held, deferred, bounced } = stand.deliverer.classes
  assert.deepEqual([[...held], [...deferred], [...bounced]], [[['bad-mailbox', 1]], [['other', 1]], []])
})
