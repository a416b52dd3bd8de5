import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { QueueEntry } from '../../../core/admin/control.ts'
import { postern } from './child.ts'
import { byMessage, CLIENT, entry, SESSION, serveFake } from './fake-gateway.ts'
import { runHere } from './in-process.ts'

const ID = 'q_bcdfghjklmnp'

test('queue list is a table with why each recipient waits', async (t) => {
  const { socket, calls } = await serveFake(t, {
    queueList: async () => [
      entry(),
      entry({ state: 'held', detail: 'looks like spam', address: 'eve@example.test', reversePath: '' }),
    ],
  })
  const { code, stdout } = await postern(['queue', 'list', '--socket', socket])
  assert.equal(code, 0)
  const [title, due, held] = stdout.split('\n')
  assert.match(title ?? '', /^ID +AGE +STATE +SIZE +FROM +TO +ROUTE +ATTEMPTS +NEXT \/ REASON$/)
  assert.match(
    due ?? '',
    /^q_bcdfghjklmnp +1 h +due +38 KB +bob@remote\.test +anna@example\.test +smtp:\/\/192\.0\.2\.9:25 +2 +in 59 min: 451 4\.7\.1/,
  )
  assert.match(held ?? '', /held +38 KB +<> +eve@example\.test .* looks like spam$/)
  assert.deepEqual(calls, [['queueList', {}, 101]])
})

test('queue list passes its filters on and says when there is more', async (t) => {
  const { socket, calls } = await serveFake(t, {
    queueList: async (_, limit) => Array.from({ length: limit }, () => entry()),
  })
  const filters = [
    '--state',
    'held',
    '--from',
    '<>',
    '--to',
    '@example.test',
    '--route',
    'discard:',
    '--limit',
    '2',
  ]
  const { stdout, stderr } = await runHere(['queue', 'list', ...filters, '--socket', socket])
  assert.deepEqual(calls, [
    ['queueList', { state: 'held', from: '', to: '@example.test', route: 'discard:' }, 3],
  ])
  assert.equal(stdout.trim().split('\n').length, 3)
  assert.match(stderr, /more than these 2/)
  const json = JSON.parse(
    (await runHere(['queue', 'list', '--limit', '2', '--json', '--socket', socket])).stdout,
  ) as {
    entries: QueueEntry[]
    more: boolean
  }
  assert.equal(json.entries.length, 2)
  assert.equal(json.more, true)
  assert.match(String(json.entries[0]?.dueAt), /^\d{4}-\d\d-\d\dT/)
})

test('an empty queue and a filter without a match are told apart', async (t) => {
  const { socket } = await serveFake(t)
  assert.equal((await runHere(['queue', 'list', '--socket', socket])).stdout, 'The queue is empty.\n')
  const filtered = await runHere(['queue', 'list', '--to', 'x@y.test', '--socket', socket])
  assert.deepEqual([filtered.code, filtered.stdout], [0, 'No recipient matches.\n'])
})

test('queue show says who waits for what, and how the message came here', async (t) => {
  const { socket } = await serveFake(t, { queueList: byMessage([entry()]), explain: async () => SESSION })
  const { code, stdout } = await postern(['queue', 'show', ID, '--socket', socket])
  assert.equal(code, 0)
  for (const text of [
    /^Message {3}q_bcdfghjklmnp {3}38 KB\n/,
    /From {6}bob@remote\.test\n/,
    /Accepted .* 1 h ago {3}from 192\.0\.2\.7\n/,
    /To {8}anna@example\.test {3}due\nRoute {5}smtp:\/\/192\.0\.2\.9:25\nAttempts {2}2\nNext {6}.* in 59 min\nLast {6}451 4\.7\.1/,
    /Session s_bcdfghjklmnpqrst/,
    /RCPT_UNKNOWN/,
  ])
    assert.match(stdout, text)
})

test('queue show names the reason of a hold, the tags, and an origin that is no client', async (t) => {
  const tags = [
    { plugin: 'judge', name: 'score', value: '5' },
    { plugin: 'judge', name: 'known', value: '' },
  ]
  const held = entry({
    state: 'held',
    detail: 'looks like spam',
    origin: { kind: 'internal', what: 'dsn', tags },
  })
  const { socket } = await serveFake(t, { queueList: byMessage([held]) })
  const { stdout } = await runHere(['queue', 'show', ID, '--socket', socket])
  assert.match(stdout, /made here: dsn/)
  assert.match(stdout, /Tags {6}score = 5 \(judge\) {3}known \(judge\)\n/)
  assert.match(stdout, /Reason {4}looks like spam/)
  assert.match(stdout, /How it came here is not recorded any more\./)
})

test('queue show --json has the recipients and the session', async (t) => {
  const origin = {
    kind: 'smtp',
    session: SESSION.id,
    client: CLIENT,
    hello: null,
    tls: null,
    identity: 'bob',
    tags: [{ plugin: 'reputation', name: 'known', value: 'well' }],
  } as const
  const { socket } = await serveFake(t, {
    queueList: byMessage([entry({ origin })]),
    explain: async () => SESSION,
  })
  const { stdout } = await runHere(['queue', 'show', ID, '--json', '--socket', socket])
  const shown = JSON.parse(stdout) as {
    id: string
    queued: boolean
    recipients: QueueEntry[]
    session: typeof SESSION
  }
  assert.deepEqual([shown.id, shown.queued, shown.recipients.length], [ID, true, 1])
  assert.deepEqual(shown.recipients[0]?.origin, origin)
  assert.equal(String(shown.session.startedAt), '2026-11-23T18:41:07.000Z')
})

test('a message that has left the queue is still explained', async (t) => {
  const { socket } = await serveFake(t, { explain: async () => SESSION })
  const { code, stdout } = await runHere(['queue', 'show', ID, '--socket', socket])
  assert.equal(code, 0)
  assert.match(stdout, /q_bcdfghjklmnp has left the queue/)
})

test('an unknown id ends with 1 and a sentence', async (t) => {
  const { socket } = await serveFake(t)
  for (const args of [
    ['show', 'q_x'],
    ['retry', 'q_x'],
    ['hold', 'q_x'],
    ['release', 'q_x'],
    ['drop', 'q_x'],
    ['drop', 'q_x', '--yes'],
  ]) {
    const { code, stderr } = await runHere(['queue', ...args, '--socket', socket])
    assert.equal(code, 1, args.join(' '))
    assert.match(stderr, /^There is no message q_x in the queue/)
  }
})

const changes = [
  { args: ['retry', ID], call: ['queueRetry', { message: ID }], said: '3 recipients are due now.\n' },
  { args: ['retry', '--all'], call: ['queueRetry', {}], said: '3 recipients are due now.\n' },
  {
    args: ['hold', '--to', 'a@b.test'],
    call: ['queueHold', { to: 'a@b.test' }, 'held by the operator'],
    said: '3 recipients are held.\n',
  },
  {
    args: ['hold', ID, '--reason', 'spam'],
    call: ['queueHold', { message: ID }, 'spam'],
    said: '3 recipients are held.\n',
  },
  {
    args: ['release', '--state', 'held'],
    call: ['queueRelease', { state: 'held' }],
    said: '3 recipients are released.\n',
  },
  {
    args: ['drop', ID, '--from', 'a@b.test', '--yes'],
    call: ['queueDrop', { message: ID, from: 'a@b.test' }],
    said: '3 recipients are dropped.\n',
  },
]

for (const { args, call, said } of changes) {
  test(`queue ${args.join(' ')} acts at once and says how many`, async (t) => {
    const three = async () => 3
    const { socket, calls } = await serveFake(t, {
      queueRetry: three,
      queueHold: three,
      queueRelease: three,
      queueDrop: three,
    })
    const { code, stdout, stderr } = await postern(['queue', ...args, '--socket', socket])
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: said, stderr: '' })
    assert.deepEqual(calls, [call])
  })
}

test('several ids are one call each, a repeated one is not', async (t) => {
  const { socket, calls } = await serveFake(t, { queueRetry: async () => 1 })
  const { stdout } = await runHere(['queue', 'retry', 'q_b', 'q_c', 'q_b', '--json', '--socket', socket])
  assert.deepEqual(JSON.parse(stdout), { changed: 2, complaints: [] })
  assert.deepEqual(calls, [
    ['queueRetry', { message: 'q_b' }],
    ['queueRetry', { message: 'q_c' }],
  ])
})

test('a message that cannot be changed now ends with 1 and why', async (t) => {
  const { socket } = await serveFake(t, { queueList: byMessage([entry({ leased: true })]) })
  const { code, stderr } = await runHere(['queue', 'hold', ID, '--socket', socket])
  assert.equal(code, 1)
  assert.equal(stderr, 'Nothing to hold in q_bcdfghjklmnp: 1 recipient being delivered right now.\n')
})

test('queue drop without --yes shows what it would do and does nothing', async (t) => {
  const entries = [
    ...Array.from({ length: 12 }, (_, i) => entry({ message: `q_${i % 3}` })),
    entry({ leased: true }),
  ]
  const { socket, calls } = await serveFake(t, { queueList: async () => entries })
  const { code, stdout } = await postern(['queue', 'drop', '--to', '@example.test', '--socket', socket])
  assert.equal(code, 0)
  assert.match(stdout, /^Would drop 12 recipients of 3 messages, for good:\n\nID /)
  assert.match(stdout, /… and 2 more\n/)
  assert.match(
    stdout,
    /1 recipient being delivered right now would stay\.\nNothing was changed\. Run again with --yes to drop them\.\n$/,
  )
  assert.deepEqual(
    calls.map(([method]) => method),
    ['queueList'],
  )
  const json = JSON.parse(
    (await postern(['queue', 'drop', '--all', '--json', '--socket', socket])).stdout,
  ) as {
    preview: boolean
    recipients: number
  }
  assert.deepEqual([json.preview, json.recipients], [true, 12])
  assert.ok(calls.every(([method]) => method === 'queueList'))
})
