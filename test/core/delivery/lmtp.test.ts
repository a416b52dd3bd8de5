import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import type { Channel } from '../../../core/delivery/channel.ts'
import { outcomeOf } from '../../../core/delivery/outcome.ts'
import { UNPROTECTED } from '../../../core/delivery/protection.ts'
import { openSocketFile } from '../../../core/delivery/session-opener.ts'
import { FakeRemote, type Reaction, remoteFor, type Script } from '../../support/fake-remote.ts'
import { TemporaryFolder } from '../../support/temporary-folder.ts'
import { at, carried, open, outgoing, results, sessionOptions } from './client-stand.ts'
import { standFor } from './delivery-stand.ts'
import { until } from './until.ts'

const LMTP = { protocol: 'lmtp', protection: UNPROTECTED } as const
const BOXES = ['full@r.test', 'a@r.test', 'gone@r.test', 'b@r.test']

/** Answers the message for each recipient by the first letters of its name. */
const byRecipient =
  (reactions: Readonly<Record<string, Reaction | string>>): Script =>
  ({ verb, argument }) =>
    verb === 'dot' ? reactions[argument.split('@')[0] ?? ''] : undefined

describe('the client over LMTP', { concurrency: 8 }, () => {
  for (const pipelining of [true, false]) {
    const how = pipelining ? 'with PIPELINING' : 'without PIPELINING'
    test(`${how}, each recipient has its own reply to the message (RFC 2033 §4.2)`, async (t) => {
      const answers = byRecipient({
        full: '452 4.2.2 full',
        gone: '550 5.1.1 gone',
        a: '250 2.0.0 kept for a',
      })
      const remote = await remoteFor(t, (said) =>
        said.verb === 'lhlo' && !pipelining ? '250 remote.test' : answers(said),
      )
      const channel = await open(t, remote.port, LMTP)
      const met = await carried(channel, outgoing(BOXES))
      assert.deepEqual(
        met.map((what) => outcomeOf(what)).map(({ result, detail }) => [result, detail]),
        [
          ['deferred', '452 4.2.2 full (in reply to the message)'],
          ['delivered', '250 2.0.0 kept for a'],
          ['failed', '550 5.1.1 gone (in reply to the message)'],
          ['delivered', '250 2.0.0 taken'],
        ],
      )
      assert.equal(remote.commands[0], 'LHLO mx.postern.test')
      assert.equal(channel.isUsable, true)
      assert.deepEqual(results(await carried(channel, outgoing(['b@r.test']))), ['delivered'])
      assert.equal(remote.connections, 1)
    })
  }

  test('each reply to the message has the time for it (RFC 5321 §4.5.3.2.6)', async (t) => {
    const remote = await remoteFor(t, ({ verb }) =>
      verb === 'dot' ? { reply: '250 2.0.0 kept', delayMs: 1_000 } : undefined,
    )
    const channel = await open(t, remote.port, { ...LMTP, dotMs: 3_000 })
    const met = await carried(channel, outgoing(BOXES))
    assert.deepEqual(results(met), ['delivered', 'delivered', 'delivered', 'delivered'])
  })

  test('recipients refused at RCPT are not answered for again', async (t) => {
    const remote = await remoteFor(t, (said) => {
      if (said.verb === 'rcpt' && said.argument.startsWith('gone')) return '550 5.1.1 gone'
      return byRecipient({ full: '452 4.2.2 full' })(said)
    })
    const channel = await open(t, remote.port, LMTP)
    const met = await carried(channel, outgoing(BOXES))
    assert.deepEqual(results(met), ['deferred', 'delivered', 'failed', 'delivered'])
    assert.deepEqual(remote.messages[0]?.recipients, ['a@r.test', 'b@r.test'])
  })

  test('nobody taken at RCPT: nothing is sent', async (t) => {
    const remote = await remoteFor(t, at('rcpt', '550 5.1.1 gone'))
    const channel = await open(t, remote.port, LMTP)
    assert.deepEqual(results(await carried(channel, outgoing(['a@r.test', 'b@r.test']))), [
      'failed',
      'failed',
    ])
    assert.equal(remote.messages.length, 0)
  })

  for (const after of ['drop', 'reset'] as const) {
    test(`a ${after} after some of the replies: those count, the rest nobody knows`, async (t) => {
      const answers = byRecipient({ full: '452 4.2.2 full', gone: { after } })
      // Late, so that what was said before is there when a reset arrives.
      const remote = await remoteFor(t, (said) => {
        const answer = answers(said)
        return typeof answer === 'object' ? { ...answer, delayMs: 300 } : answer
      })
      const channel = await open(t, remote.port, LMTP)
      const met = await carried(channel, outgoing(BOXES))
      assert.deepEqual(results(met), ['deferred', 'delivered', 'deferred', 'deferred'])
      assert.deepEqual(
        met.map(({ kind }) => kind),
        ['reply', 'reply', 'trouble', 'trouble'],
      )
      assert.ok(met.slice(2).every((what) => 'phase' in what && what.phase === 'dot'))
      assert.equal(channel.isUsable, false)
    })
  }

  test('half a reply before the end counts as none', async (t) => {
    const half: Reaction = { reply: Buffer.from('250 2.0.'), after: 'drop' }
    const remote = await remoteFor(t, byRecipient({ a: half }))
    const channel = await open(t, remote.port, LMTP)
    const met = await carried(channel, outgoing(['b@r.test', 'a@r.test']))
    assert.deepEqual(results(met), ['delivered', 'deferred'])
  })

  test('421 to one recipient defers it and those behind, and ends the connection', async (t) => {
    const remote = await remoteFor(t, byRecipient({ a: { reply: '421 4.3.2 going down', after: 'stall' } }))
    const channel = await open(t, remote.port, LMTP)
    const met = await carried(channel, outgoing(['b@r.test', 'a@r.test', 'c@r.test']))
    assert.deepEqual(results(met), ['delivered', 'deferred', 'deferred'])
    assert.equal(channel.isUsable, false)
  })

  test('more replies than recipients: what was said counts, the connection is not used again', async (t) => {
    const twice: Reaction = { reply: '250 2.0.0 taken\r\n550 5.0.0 or not' }
    const remote = await remoteFor(t, byRecipient({ a: twice }))
    const channel = await open(t, remote.port, LMTP)
    assert.deepEqual(results(await carried(channel, outgoing(['a@r.test']))), ['delivered'])
    await until(() => !channel.isUsable)
  })

  test('a server that does not know LHLO is trouble of the host', async (t) => {
    const remote = await remoteFor(t, at('lhlo', '500 5.5.1 this is SMTP'))
    const channel = open(t, remote.port, LMTP)
    await assert.rejects(channel, /500 5\.5\.1 this is SMTP/)
    assert.ok(!remote.commands.some((command) => /^(?:EHLO|HELO)/.test(command)))
  })

  test('over a Unix socket', async (t) => {
    const { channel, remote, path } = await overSocketFile(t)
    assert.equal(channel.remote, path)
    assert.deepEqual(results(await carried(channel, outgoing(['a@r.test']))), ['delivered'])
    assert.equal(remote.accepted.length, 1)
  })

  test('a Unix socket where nobody listens is trouble of the host', async () => {
    const opening = await openSocketFile(
      '/nonexistent/lmtp',
      sessionOptions(LMTP),
      AbortSignal.timeout(20_000),
    )
    assert.ok(!opening.ok)
    assert.equal(outcomeOf(opening.met).level, 'host')
    assert.match(outcomeOf(opening.met).detail, /ENOENT/)
  })
})

test('routes lmtp:// and lmtp+unix: each settle their recipients alone', async (t) => {
  const answers = byRecipient({ full: '452 4.2.2 full', gone: '550 5.1.1 gone' })
  const remote = await remoteFor(t, answers)
  const folder = await TemporaryFolder.make()
  t.after(() => folder[Symbol.asyncDispose]())
  const path = join(folder.path, 'lmtp')
  const local = await FakeRemote.startAt(path, answers)
  t.after(() => local.stop())
  const stand = await standFor(t, { retryMs: [3_600_000] })
  for (const route of [`lmtp://127.0.0.1:${remote.port}`, `lmtp+unix:${path}`]) {
    await stand.accept(route, BOXES)
    const attempt = () => stand.attempts.find((one) => one.route === route)
    await until(() => attempt() !== undefined)
    assert.deepEqual(
      attempt()?.recipients.map(({ result }) => result),
      ['deferred', 'delivered', 'held', 'delivered'],
    )
  }
  assert.equal(remote.accepted.length + local.accepted.length, 2)
})

async function overSocketFile(
  t: TestContext,
): Promise<{ channel: Channel; remote: FakeRemote; path: string }> {
  const folder = await TemporaryFolder.make()
  const path = join(folder.path, 'lmtp')
  const remote = await FakeRemote.startAt(path)
  const opening = await openSocketFile(path, sessionOptions(LMTP), AbortSignal.timeout(20_000))
  assert.ok(opening.ok)
  const { channel } = opening
  t.after(async () => {
    channel.abort('the test is over')
    await remote.stop()
    await folder[Symbol.asyncDispose]()
  })
  return { channel, remote, path }
}
