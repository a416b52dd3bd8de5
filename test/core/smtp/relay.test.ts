import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RcptEvent } from '../../../core/mail/hook-events.ts'
import { fault, pass, reject, type TestPlugin } from './panel.ts'
import { relayControl, TestServer } from './test-server.ts'

const grants: TestPlugin = { name: 'grants', hooks: { rcpt: () => pass({ kind: 'relay.grant' }) } }
const failing = (onError: 'skip' | 'hold' | 'defer'): TestPlugin => ({
  name: 'failing',
  onError,
  hooks: { rcpt: () => fault() },
})

async function rcpt(plugins: readonly TestPlugin[], recipient = 'user@example.test'): Promise<string> {
  const server = await TestServer.start({ plugins })
  const client = await server.greeted()
  await client.ask('MAIL FROM:<a@client.example>')
  const reply = await client.ask(`RCPT TO:<${recipient}>`)
  await server.stop()
  return reply
}

test('without any plugin nobody is accepted, our own domains neither', async () => {
  assert.match(await rcpt([]), /^550 5\.7\.1 Relaying denied \(r_[a-z]{8}\)$/)
})

test('a plugin that has nothing against a recipient has not granted it', async () => {
  assert.match(await rcpt([{ name: 'mild', hooks: { rcpt: () => pass() } }]), /^550 5\.7\.1 Relaying denied/)
})

test('one grant is enough, wherever in the order it comes', async () => {
  const mild: TestPlugin = { name: 'mild', hooks: { rcpt: () => pass() } }
  assert.match(await rcpt([mild, grants]), /^250 2\.1\.5 /)
  assert.match(await rcpt([grants, mild]), /^250 2\.1\.5 /)
})

test('a grant does not outweigh a refusal behind it', async () => {
  const strict: TestPlugin = { name: 'strict', hooks: { rcpt: () => reject('5.1.1', 'No such mailbox') } }
  assert.match(await rcpt([grants, strict]), /^550 5\.1\.1 No such mailbox \(r_/)
})

test('a failure is not a grant, and not the end of the mail either: what would have been said is not known', async () => {
  assert.match(await rcpt([failing('skip')]), /^451 4\.3\.0 Relay permission cannot be decided now \(r_/)
  assert.match(await rcpt([failing('hold')]), /^451 4\.3\.0 Relay permission/)
  assert.match(await rcpt([failing('defer')]), /^451 4\.3\.0 Policy check not available/)
  assert.match(await rcpt([failing('skip'), grants]), /^250 /)
})

test('a refused relay attempt is in the record, with the values compared', async () => {
  const server = await TestServer.start()
  const client = await server.greeted()
  await client.ask('MAIL FROM:<a@client.example>')
  const reply = await client.ask('RCPT TO:<user@elsewhere.example>')
  const reference = /r_[a-z]{8}/.exec(reply)?.[0] ?? ''
  const decision = server.records
    .find(reference)
    ?.entries.find((entry) => 'reference' in entry && entry.reference !== '')
  assert.ok(decision && 'code' in decision)
  assert.equal(decision.code, 'RELAY_NOT_GRANTED')
  assert.equal(decision.plugin, 'core')
  assert.deepEqual(decision.facts, { recipient: 'user@elsewhere.example', trusted: false, identity: null })
  const [logged] = server.logged('refused')
  assert.deepEqual(
    [logged?.['hook'], logged?.['plugin'], logged?.['reply'], logged?.['reference'], logged?.['recipient']],
    ['rcpt', 'core', '550 5.7.1', reference, 'user@elsewhere.example'],
  )
  await server.stop()
})

test('postmaster needs no grant, and no plugin is asked', async () => {
  const strict: TestPlugin = { name: 'strict', hooks: { rcpt: () => reject('5.1.1', 'Nobody') } }
  assert.match(await rcpt([strict], 'postmaster@example.test'), /^250 /)
  assert.match(await rcpt([], 'Postmaster'), /^250 /)
  assert.match(await rcpt([grants], 'postmaster@elsewhere.example'), /^250 /)
  assert.match(await rcpt([strict], 'postmaster@elsewhere.example'), /^550 /)
})

test('plugins are told the domain, whether it is ours, and who was accepted before', async () => {
  const server = await TestServer.start()
  const client = await server.greeted()
  await client.ask('MAIL FROM:<>')
  await client.ask('RCPT TO:<One@example.test>')
  await client.ask('RCPT TO:<two@Elsewhere.example>')
  await client.ask('RCPT TO:<One@example.test>')
  const events = server.panel.events.map(({ event }) => event as RcptEvent)
  assert.deepEqual(
    events.map(({ recipient, localPart, domain, transaction }) => [
      recipient,
      localPart,
      domain,
      transaction.recipients,
    ]),
    [
      ['One@example.test', 'One', { name: 'example.test', ours: true }, []],
      ['two@elsewhere.example', 'two', { name: 'elsewhere.example', ours: false }, ['One@example.test']],
    ],
  )
  assert.equal(events[0]?.transaction.reversePath, '')
  await server.stop()
})

test('a trusted client is told to the plugins, which may grant it everything', async () => {
  const server = await TestServer.start({
    plugins: [relayControl],
    settings: { relay: { networks: ['127.0.0.0/8'] } },
  })
  const client = await server.greeted()
  await client.ask('MAIL FROM:<a@client.example>')
  assert.match(await client.ask('RCPT TO:<user@elsewhere.example>'), /^250 /)
  await server.stop()
})
