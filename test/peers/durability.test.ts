/**
 * What 250 promises, seen from the kernel (RFC 5321 §6.1): the last write of body and envelope, then the sync of every
 * file written, and only then the reply to the client's socket.
 */
import assert from 'node:assert/strict'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { FakeRemote } from '../support/fake-remote.ts'
import { Gateway } from '../support/gateway.ts'
import { largeMessage, message } from '../support/message-bytes.ts'
import { needing } from '../support/peer-programs.ts'
import { type SystemCall, traced } from '../support/system-calls.ts'
import { until } from '../support/until.ts'

const SMALL = 'small@elsewhere.example'
const LARGE = 'large@elsewhere.example'
const programs = needing('strace')
const WRITES = new Set(['write', 'writev', 'pwrite64', 'pwritev'])
const SYNCS = new Set(['fsync', 'fdatasync'])

let remote: FakeRemote
let gateway: Gateway
before(async () => {
  if (programs.skip !== false) return
  remote = await FakeRemote.start()
  gateway = await Gateway.start({ outbound: { route: remote.route } })
  // The first mail makes what all later ones find made.
  await gateway.send(['first@elsewhere.example'], message('the first'))
})
after(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await remote?.stop()
})

/** Calls of the worker from the first command to the reply to the final dot, that reply's `write` last. */
async function callsUntilReply(
  recipient: string,
  content: Buffer,
): Promise<{ calls: readonly SystemCall[]; reply: SystemCall }> {
  // What is written from now on is about this mail.
  await until(async () => (await gateway.control.queueList({}, 10)).length === 0, 'an empty queue')
  const delivered = remote.accepted.length
  const all = await traced(await gateway.workerPid(), async () => {
    assert.match(await gateway.send([recipient], content), /^250 2\.0\.0 Queued/)
    // The client hears the reply before strace has seen the end of its write.
    await remote.hasAccepted(delivered + 1)
  })
  // A socket, however strace names it.
  const reply = all.find(({ target, text }) => !target.startsWith('/') && text.includes('"250 2.0.0 Queued'))
  assert.ok(reply !== undefined, 'the reply is in the trace')
  return { calls: all.filter(({ begunAt }) => begunAt <= reply.begunAt), reply }
}

function writesWith(calls: readonly SystemCall[], text: string): readonly SystemCall[] {
  const store = join(gateway.folder.path, 'store')
  return calls.filter(
    (call) => WRITES.has(call.name) && call.target.startsWith(store) && call.text.includes(text),
  )
}

/** The first sync of a file that began behind its last write; it succeeded, and was over when the reply began. */
function assertSynced(calls: readonly SystemCall[], target: string, reply: SystemCall): SystemCall {
  const lastWrite = calls.findLast((call) => WRITES.has(call.name) && call.target === target)
  assert.ok(lastWrite !== undefined, `${target} was written`)
  assert.ok(lastWrite.endedAt < reply.begunAt)
  const sync = calls.find(
    (call) => SYNCS.has(call.name) && call.target === target && call.begunAt > lastWrite.endedAt,
  )
  assert.ok(sync !== undefined, `${target} was synced behind its last write`)
  assert.equal(sync.result, 0)
  assert.ok(sync.endedAt < reply.begunAt, `the sync of ${target} was over before the reply`)
  return sync
}

/** A new entry is only there for good once its folder was synced. */
function assertFolderSynced(calls: readonly SystemCall[], folder: string, made: SystemCall): SystemCall {
  const sync = calls.find(
    ({ name, target, begunAt }) => SYNCS.has(name) && target === folder && begunAt > made.begunAt,
  )
  assert.ok(sync !== undefined, `${folder} was synced after ${made.target} was made in it`)
  assert.equal(sync.result, 0)
  return sync
}

function assertOnlyReply(calls: readonly SystemCall[], reply: SystemCall): void {
  const early = calls.filter(
    ({ begunAt, text }) => begunAt < reply.begunAt && text.includes('"250 2.0.0 Queued'),
  )
  assert.deepEqual(early, [])
}

test('a small mail: body and envelope written, the database synced, then 250', programs, async () => {
  const { calls, reply } = await callsUntilReply(SMALL, message('durable', ['BODY-OF-A-SMALL-MAIL']))
  const files = new Set(
    [...writesWith(calls, 'BODY-OF-A-SMALL-MAIL'), ...writesWith(calls, SMALL)].map(({ target }) => target),
  )
  assert.ok(writesWith(calls, 'BODY-OF-A-SMALL-MAIL').length > 0, 'the body was written to the store')
  assert.ok(writesWith(calls, SMALL).length > 0, 'the envelope was written to the store')
  for (const file of files) assertSynced(calls, file, reply)
  assertOnlyReply(calls, reply)
})

test(
  'a large mail: its file and its folder synced, then the envelope, its sync, then 250',
  programs,
  async () => {
    const { calls, reply } = await callsUntilReply(
      LARGE,
      largeMessage('BODY-OF-A-LARGE-MAIL', 2_000_000, 'durable'),
    )
    const [body] = writesWith(calls, 'BODY-OF-A-LARGE-MAIL')
    assert.ok(body !== undefined, 'the body was written to the store')
    assert.match(body.target, /\/store\/spool\//)
    const spooled = assertSynced(calls, body.target, reply)
    const entry = assertFolderSynced(calls, dirname(body.target), body)
    for (const made of calls.filter(({ name, result }) => name === 'mkdir' && result === 0))
      assertFolderSynced(calls, dirname(made.target), made)
    const envelope = writesWith(calls, LARGE).filter(({ target }) => target !== body.target)
    assert.ok(envelope.length > 0, 'the envelope was written to the store')
    for (const write of envelope) {
      assert.ok(
        write.begunAt > Math.max(spooled.endedAt, entry.endedAt),
        'the envelope comes behind its body',
      )
      assertSynced(calls, write.target, reply)
    }
    assertOnlyReply(calls, reply)
  },
)
