/** Mail that comes back: through a whole gateway, from the 5yz of the next server to the mailbox of the sender. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { FakeRemote } from '../support/fake-remote.ts'
import { Gateway } from '../support/gateway.ts'
import { message } from '../support/message-bytes.ts'
import { until } from '../support/until.ts'

let remote: FakeRemote
let gateway: Gateway
before(async () => {
  remote = await FakeRemote.start(({ verb, argument }) =>
    verb === 'rcpt' && argument.startsWith('gone') ? '550 5.1.1 No such user here' : undefined,
  )
  gateway = await Gateway.start({
    domains: { 'example.test': { deliver: 'maildir:./mail' }, 'next.test': { deliver: remote.route } },
  })
})
after(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await remote?.stop()
})

test('a refused recipient comes back to a sender of ours as a notice, and the queue is empty', async () => {
  using client = await gateway.greeted()
  await client.ask('MAIL FROM:<anna@example.test> RET=FULL ENVID=QQ+2B1')
  await client.ask('RCPT TO:<gone@next.test> ORCPT=rfc822;old@next.test')
  await client.ask('RCPT TO:<gone.too@next.test> NOTIFY=NEVER')
  await client.ask('RCPT TO:<there@next.test>')
  await client.ask('DATA')
  const content = message('comes back', ['Hello'])
  client.raw(Buffer.concat([content, Buffer.from('.\r\n')]))
  const reply = await client.reply()
  assert.match(reply, /^250 /)
  const queueId = reply.trim().split(' ').at(-1) ?? ''
  await until(() => gateway.kept().length === 1, 'a notice')
  const notice = gateway.kept()[0]?.toString('latin1') ?? ''
  assert.match(notice, /^Return-Path: <>\r?\n/m)
  assert.match(notice, /^From: Mail gateway <postmaster@mx\.example\.test>\r?$/m)
  assert.match(notice, /^To: <anna@example\.test>\r?$/m)
  assert.match(notice, /^Original-Envelope-Id: QQ\+1\r?$/m)
  assert.match(
    notice,
    /^Original-Recipient: rfc822; old@next\.test\r?\nFinal-Recipient: rfc822; gone@next\.test\r?$/m,
  )
  assert.match(notice, /^Subject: comes back\r?$/m)
  assert.doesNotMatch(notice, /gone\.too|there@/)
  await until(async () => (await gateway.control.queueList({}, 10)).length === 0, 'an empty queue')
  const [queued] = gateway.logged('notice-queued')
  assert.equal(queued?.['message'], queueId)
  // The notice is found in the record of the message it is about.
  const explained = await gateway.control.explain(String(queued?.['notice']))
  assert.deepEqual(explained?.id, (await gateway.control.explain(queueId))?.id)
  assert.ok(explained?.entries.some((entry) => 'hook' in entry && entry.hook === 'queue'))
})

test('nobody is told what <> has sent: it is held', async () => {
  const reply = await gateway.send(['gone@next.test'], message('from nobody'), '')
  assert.match(reply, /^250 /)
  await until(async () => (await gateway.control.queueList({ state: 'held' }, 10)).length === 1, 'a hold')
  assert.equal(gateway.kept().length, 1)
})

test('a sender there is no way to is not told: the mail is held with the reply as its reason', async () => {
  await gateway.send(['gone@next.test'], message('from far away'), 'a@elsewhere.example')
  await until(() => gateway.logged('notice-impossible').length === 1, 'a line in the log')
  const [entry] = await gateway.control.queueList({ from: 'a@elsewhere.example' }, 10)
  assert.equal(entry?.state, 'held')
  assert.match(String(entry?.detail), /^550 5\.1\.1 No such user here/)
})
