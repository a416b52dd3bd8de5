import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Decision, Step } from '../../../core/admin/control.ts'
import { formatWay } from '../../../core/cli/way.ts'

const plain = { style: (_: unknown, text: string) => text }

function decision(changes: Partial<Decision>): Decision {
  return {
    at: 0,
    hook: 'data',
    plugin: 'scanner',
    build: '',
    answer: 'none',
    status: '',
    text: '',
    code: '',
    facts: {},
    actions: [],
    fault: null,
    onError: null,
    wallMicros: 12_340,
    cpuMicros: 0,
    reference: '',
    ...changes,
  }
}

function way(...entries: readonly (Decision | Step)[]): readonly string[] {
  return formatWay(entries, plain)
}

test('a hook asked again stands under a heading of its own', () => {
  const lines = way(
    decision({ hook: 'rcpt', plugin: 'a' }),
    decision({ hook: 'rcpt', plugin: 'b' }),
    decision({ hook: 'rcpt', plugin: 'a' }),
    decision({ hook: 'data', plugin: 'a' }),
  )
  assert.deepEqual(
    lines.map((line) => line.trim().split(/ {2,}/).slice(0, 2).join(' ')),
    ['rcpt', '1 a', '2 b', 'rcpt', '1 a', 'data', '1 a'],
  )
})

test('a note that came with no opinion is shown', () => {
  assert.deepEqual(way(decision({ code: 'SPF_PASS', text: 'listed' })), [
    'data',
    '  1  scanner       no opinion    12 ms   SPF_PASS  listed',
  ])
})

test('a fault says what it was, where, and what it meant for the mail', () => {
  const fault = { kind: 'throw', message: 'x is undefined', stack: 'at data (my-filter.ts:12:17)' } as const
  assert.deepEqual(way(decision({ answer: 'fault', fault, onError: 'skip', wallMicros: 0 })), [
    'data',
    '  1  scanner       FAILED         0 ms',
    '       throw: x is undefined',
    '       at data (my-filter.ts:12:17)',
    '       the plugin was skipped (on error: skip)',
  ])
})

test('every action is a line', () => {
  const actions: Decision['actions'] = [
    { kind: 'header.add', name: 'X-Spam', value: 'yes' },
    { kind: 'header.remove', name: 'X-Old' },
    { kind: 'relay.grant' },
    { kind: 'route.set', destination: 'discard:', recipients: null },
    { kind: 'route.set', destination: 'smtp://192.0.2.1:25', recipients: ['a@b.test', 'c@d.test'] },
    { kind: 'hold', text: 'suspicious', recipients: null },
    { kind: 'discard', text: 'trap', recipients: ['a@b.test'] },
    { kind: 'tag', name: 'known', value: '' },
    { kind: 'tag', name: 'score', value: '5' },
    { kind: 'expire', seconds: 600 },
  ]
  assert.deepEqual(
    way(decision({ actions }))
      .slice(2)
      .map((line) => line.trim()),
    [
      'adds header  X-Spam: yes',
      'removes header  X-Old',
      'grants relaying',
      'routes to  discard:',
      'routes to  smtp://192.0.2.1:25  for a@b.test, c@d.test',
      'holds: suspicious',
      'discards: trap  for a@b.test',
      'tags  known',
      'tags  score = 5',
      'expires after  10 min',
    ],
  )
})

test('a step shows what stands beside it, and leaves out what says nothing', () => {
  const detail = {
    recipient: 'a@b.test',
    declaredSize: null,
    names: ['x', 'y'],
    wallMs: 1.2345,
    odd: { a: 1 },
  }
  assert.deepEqual(way({ at: 0, event: 'rcpt', detail }), [
    '· rcpt   recipient = a@b.test   names = x, y   wallMs = 1.2   odd = {"a":1}',
  ])
})

test('an attempt has a line for every recipient', () => {
  const recipients = [
    { address: 'a@b.test', result: 'delivered', detail: '250 queued' },
    { address: 'c@d.test', result: 'deferred', detail: '' },
    { address: 'e@f.test', result: 'bounced', detail: '550 gone', class: 'bad-mailbox' },
  ]
  const tls = { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', isVerified: false }
  const detail = { route: 'smtp://192.0.2.1:25', tls, recipients }
  assert.deepEqual(way({ at: 0, event: 'attempt', detail }), [
    '· attempt   route = smtp://192.0.2.1:25   tls = TLSv1.3 TLS_AES_256_GCM_SHA384, not verified',
    '       a@b.test   delivered   250 queued',
    '       c@d.test   deferred',
    '       e@f.test   bounced   (bad-mailbox)   550 gone',
  ])
})

test('nothing a sender chose can move the cursor', () => {
  const lines = way(decision({ plugin: 'a\u001b[2J', text: 'b\r\nc', facts: { '\u0007': '\u009b31m' } }), {
    at: 0,
    event: 'e\u001b',
    detail: { k: '\u202etxt.exe' },
  })
  // oxlint-disable-next-line no-control-regex
  for (const line of lines) assert.doesNotMatch(line, /[\x00-\x1f\x7f-\x9f\u202e]/)
  assert.match(lines.join(), /b\\r\\nc/)
})

test('the null reverse-path is shown as such', () => {
  assert.deepEqual(way({ at: 0, event: 'mail', detail: { reversePath: '' } }), ['· mail   reversePath = <>'])
})

test('a plugin that acts without refusing is not said to have no opinion', () => {
  const [, line] = way(decision({ actions: [{ kind: 'hold', text: 'suspicious', recipients: null }] }))
  assert.match(line ?? '', /scanner +acts/)
})
