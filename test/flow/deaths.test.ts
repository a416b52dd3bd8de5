/** A worker or a plughost that is killed is replaced; clients wait instead of being refused, and no mail is lost. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { selfSigned } from '../../core/tls/self-signed.ts'
import { FakeRemote } from '../support/fake-remote.ts'
import { Gateway } from '../support/gateway.ts'
import { addedFields, message } from '../support/message-bytes.ts'
import { RawClient } from '../support/raw-client.ts'
import { TemporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'

let gateway: Gateway
before(async () => {
  gateway = await Gateway.start()
})
after(() => gateway?.[Symbol.asyncDispose]())

test('a killed worker is replaced, and clients that come meanwhile are served by the next one', async () => {
  using interrupted = await gateway.greeted()
  const pid = await gateway.workerPid()
  process.kill(pid, 'SIGKILL')
  await interrupted.closed()
  // Nobody accepts now; the kernel lets them wait.
  const waiting = await Promise.all(
    Array.from({ length: 10 }, () => RawClient.connect({ port: gateway.port })),
  )
  for (const [number, client] of waiting.entries()) {
    await client.expect('220', null)
    await client.expect('250', 'EHLO client.example')
    const reply = await client.send(
      'sender@client.example',
      ['anna@example.test'],
      message(`waited ${number}`),
    )
    assert.match(reply, /^250 2\.0\.0 /)
    client.destroy()
  }
  const { workerRestarts, gateway: now } = await gateway.control.status()
  assert.equal(workerRestarts, 1)
  assert.notEqual(now?.workers[0]?.pid, pid)
  await until(() => gateway.kept().length === waiting.length, 'every mail in the maildir')
  assert.deepEqual(
    gateway.logged('worker-died').map(({ reason }) => reason),
    ['SIGKILL'],
  )
})

test('a worker is replaced although the certificate has expired meanwhile, and serves it', async () => {
  const folder = await TemporaryFolder.make()
  const [certificate, key] = ['cert.pem', 'key.pem'].map((name) => join(folder.path, name)) as [
    string,
    string,
  ]
  const put = (madeAt: number): void => {
    const pair = selfSigned('mx.example.test', madeAt, 10)
    writeFileSync(key, pair.key, { mode: 0o600 })
    writeFileSync(certificate, pair.certificate)
  }
  try {
    put(Date.now())
    await using secured = await Gateway.start({ tls: { certificate, key } })
    put(Date.now() - 20 * 86_400_000)
    const pid = await secured.workerPid()
    process.kill(pid, 'SIGKILL')
    await until(async () => {
      const now = await secured.control.status().catch(() => null)
      return now !== null && now.gateway !== null && now.gateway.workers[0]?.pid !== pid
    }, 'the next worker')
    assert.match(String(secured.logged('certificate-unfit')[0]?.['reason']), /expired on/)
    using client = await secured.greeted()
    await client.expect('220', 'STARTTLS')
    assert.match(await secured.send(['anna@example.test'], message('after the expiry')), /^250 2\.0\.0 /)
    const { code } = await secured.stop()
    assert.equal(code, 0)
    // An administrator who starts it is told.
    await assert.rejects(secured.restart(), /P1142/)
  } finally {
    await folder[Symbol.asyncDispose]()
  }
})

test('mail that a killed worker had accepted is delivered by the next one', async () => {
  // The first connections take everything and never say so: their mail is in flight for as long as it needs to be.
  let isSilent = true
  const remote = await FakeRemote.start(({ verb }) =>
    verb === 'dot' && isSilent ? { after: 'stall' } : undefined,
  )
  try {
    await using owing = await Gateway.start({ outbound: { route: remote.route } })
    const sent = Array.from({ length: 8 }, (_, number) => message(`owed ${number}`))
    for (const content of sent)
      assert.match(await owing.send(['bob@elsewhere.example'], content), /^250 2\.0\.0 /)
    await until(() => remote.messages.length > 0, 'a mail in flight')
    assert.equal(remote.accepted.length, 0)
    isSilent = false
    process.kill(await owing.workerPid(), 'SIGKILL')
    await remote.hasAccepted(sent.length)
    for (const content of sent) {
      const got = remote.accepted.filter((one) => one.content.includes(subjectLine(content)))
      assert.equal(got.length, 1)
      assert.deepEqual(addedFields(got[0]?.content ?? Buffer.of(), content), ['Received'])
    }
    await until(async () => (await owing.control.queueList({}, 100)).length === 0, 'an empty queue')
  } finally {
    await remote.stop()
  }
})

test('a killed plughost is replaced, and the mail it was asked about is accepted', async () => {
  const before = await gateway.worker()
  const [killed] = before.plughosts
  assert.ok(killed?.pid)
  process.kill(killed.pid, 'SIGKILL')
  assert.match(await gateway.send(['anna@example.test'], message('asked twice')), /^250 2\.0\.0 /)
  const after = await gateway.worker()
  assert.ok(after.plughosts[0]?.pid)
  assert.notEqual(after.plughosts[0].pid, killed.pid)
  assert.equal(after.pid, before.pid)
  const [death, ...others] = gateway.logged('plughost-died')
  assert.equal(death?.['cause'], 'died')
  assert.equal(death?.['plugin'], null)
  assert.deepEqual(others, [])
})

test('a killed supervisor takes worker and plughost with it, and the next gateway starts on their store', async () => {
  process.kill(gateway.supervisorPid, 'SIGKILL')
  await until(() => gateway.members().length === 0, 'the end of every process')
  await gateway.restart()
  assert.match(await gateway.send(['anna@example.test'], message('after the restart')), /^250 2\.0\.0 /)
})

function subjectLine(content: Buffer): string {
  return /^Subject: [^\r]*\r\n/m.exec(content.toString('latin1'))?.[0] ?? ''
}
