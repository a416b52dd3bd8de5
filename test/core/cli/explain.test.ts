import assert from 'node:assert/strict'
import { test } from 'node:test'
import { postern } from './child.ts'
import { SESSION, serveFake } from './fake-gateway.ts'

test('explain shows every plugin that was asked, no opinion too', async (t) => {
  const { socket, calls } = await serveFake(t, { explain: async () => SESSION })
  const { code, stdout } = await postern(['explain', 'r_bcdfghjk', '--socket', socket])
  assert.equal(code, 0)
  const [, ...way] = stdout.split('\n')
  assert.deepEqual(way, [
    '',
    '· helo   verb = EHLO   name = remote.test',
    'rcpt',
    '  1  relay-control  acts         0.6 ms',
    '       grants relaying',
    '  2  recipients     REJECT       3.1 ms   5.1.1  RCPT_UNKNOWN  No such mailbox',
    '       mailbox = nobody     domain = example.test',
    '       reference r_bcdfghjk',
    '',
  ])
  assert.match(stdout, /^Session s_bcdfghjklmnpqrst {3}from 192\.0\.2\.7:40222 {3}20\d\d-/)
  assert.deepEqual(calls, [['explain', 'r_bcdfghjk']])
})

test('explain --json is the record with times in ISO form', async (t) => {
  const { socket } = await serveFake(t, { explain: async () => SESSION })
  const { stdout } = await postern(['explain', 'r_bcdfghjk', '--json', '--socket', socket])
  const shown = JSON.parse(stdout) as { id: string; startedAt: string; entries: { at: string }[] }
  assert.deepEqual([shown.id, shown.startedAt], [SESSION.id, '2026-11-23T18:41:07.000Z'])
  assert.equal(shown.entries[2]?.at, '2026-11-23T18:41:07.000Z')
})

test('explain of an unknown key ends with 1 and says why it may be unknown', async (t) => {
  const { socket } = await serveFake(t)
  const { code, stdout, stderr } = await postern(['explain', 'r_x', '--socket', socket])
  assert.deepEqual({ code, stdout }, { code: 1, stdout: '' })
  assert.match(stderr, /^Nothing is known about r_x: the record keeps the newest sessions only/)
})
