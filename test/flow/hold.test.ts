/** What an operator can do about mail: the socket is theirs alone, held mail shows its reason and can be let go. */
import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { FakeRemote } from '../support/fake-remote.ts'
import { fixturePlugin, Gateway } from '../support/gateway.ts'
import { addedFields, message } from '../support/message-bytes.ts'
import { until } from '../support/until.ts'

let remote: FakeRemote
let gateway: Gateway
before(async () => {
  remote = await FakeRemote.start()
  gateway = await Gateway.start({
    domains: { 'example.test': { deliver: remote.route } },
    plugins: [
      { name: 'relay-control' },
      fixturePlugin('misbehaving', { onError: 'hold' }),
      { name: 'routing' },
    ],
  })
})
after(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await remote?.stop()
})

test('the control socket is open to its owner alone', () => {
  const { mode, uid } = statSync(gateway.folder.socket)
  assert.equal(mode & 0o777, 0o600)
  assert.equal(uid, process.getuid?.())
})

test('mail a failing plugin is told to hold is held with the reason, and `queue release` lets it go', async () => {
  const sent = message('held')
  const reply = await gateway.send(['throw@example.test'], sent)
  assert.match(reply, /^250 2\.0\.0 Queued as q_/)
  const queueId = reply.split(' ').at(-1) ?? ''
  const listed = await gateway.folder.run(['queue', 'list', '--json'])
  assert.equal(listed.code, 0, listed.stderr)
  const { entries } = JSON.parse(listed.stdout) as { entries: readonly Record<string, unknown>[] }
  assert.deepEqual(
    entries.map(({ message: id, address, state, detail }) => ({ id, address, state, detail })),
    [{ id: queueId, address: 'throw@example.test', state: 'held', detail: 'misbehaving: failed in rcpt' }],
  )
  // Mail that came later and is not held overtakes it: held mail stays where it is.
  await gateway.send(['well@example.test'], message('not held'))
  await remote.hasAccepted(1)
  assert.deepEqual(remote.accepted[0]?.recipients, ['well@example.test'])

  const released = await gateway.folder.run(['queue', 'release', queueId])
  assert.deepEqual(
    { code: released.code, stdout: released.stdout },
    { code: 0, stdout: '1 recipient is released.\n' },
    released.stderr,
  )
  await remote.hasAccepted(2)
  const got = remote.accepted[1]
  assert.deepEqual(got?.recipients, ['throw@example.test'])
  assert.deepEqual(addedFields(got?.content ?? Buffer.of(), sent), ['Received', 'X-Mine'])
  await until(async () => (await gateway.control.queueList({}, 10)).length === 0, 'an empty queue')
})
