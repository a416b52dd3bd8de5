/** What mail needs of the next server, through a whole gateway: it has it, or the sender is told why not. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { address, DnsServer, mx, noData } from '../support/dns-server.ts'
import { FakeRemote, type Script } from '../support/fake-remote.ts'
import { Gateway } from '../support/gateway.ts'
import type { RawClient } from '../support/raw-client.ts'
import { TemporaryFolder } from '../support/temporary-folder.ts'
import { namedServer } from '../support/test-certificate.ts'
import { until } from '../support/until.ts'

const offering =
  (extensions: string): Script =>
  ({ verb, isSecured }) =>
    verb === 'ehlo' ? `250-remote.test\r\n250${isSecured ? extensions : ' STARTTLS'}` : undefined

let strict: FakeRemote
let loose: FakeRemote
let dns: DnsServer
let gateway: Gateway
let folder: TemporaryFolder
before(async () => {
  const able = namedServer('mx.strict.example')
  const poor = namedServer('mx.loose.example')
  strict = await FakeRemote.start(
    offering('-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250 REQUIRETLS'),
    0,
    '127.0.0.1',
    { context: able.context },
  )
  loose = await FakeRemote.start(offering(' SIZE 0'), strict.port, '127.0.0.2', { context: poor.context })
  dns = await DnsServer.start()
  for (const [name, at] of [
    ['strict.example', '127.0.0.1'],
    ['loose.example', '127.0.0.2'],
  ] as const) {
    dns.set(name, 'MX', { answers: [mx(name, 10, `mx.${name}`)] })
    dns.set(`mx.${name}`, 'A', { answers: [address(`mx.${name}`, at)] }).set(`mx.${name}`, 'AAAA', noData())
  }
  folder = await TemporaryFolder.make()
  const ca = join(folder.path, 'ca.pem')
  writeFileSync(ca, `${able.certificate}\n${poor.certificate}`)
  gateway = await Gateway.start({
    listeners: [{ address: '127.0.0.1:0', tls: 'starttls' }],
    outbound: { route: 'mx', port: strict.port, allowedNetworks: ['127.0.0.0/8'], tls: { ca } },
    dns: { servers: [`127.0.0.1:${dns.port}`] },
  })
})
after(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await dns?.stop()
  await loose?.stop()
  await strict?.stop()
  await folder?.[Symbol.asyncDispose]()
})

async function secured(): Promise<RawClient> {
  const client = await gateway.greeted()
  await client.expect('220', 'STARTTLS')
  await client.secure()
  await client.expect('250', 'EHLO client.example')
  return client
}

const octets = (text: string): string => Buffer.from(text).toString('latin1')

/** Sends from anna; returns the queue id. */
async function send(parameters: string, to: string, content = 'Subject: x\r\n\r\nx\r\n'): Promise<string> {
  using client = await secured()
  await client.expect('250', `MAIL FROM:<anna@example.test>${parameters}`)
  await client.expect('250', `RCPT TO:<${octets(to)}> NOTIFY=FAILURE,SUCCESS ORCPT=rfc822;first@home.example`)
  await client.expect('354', 'DATA')
  client.raw(octets(content))
  return (await client.expect('250', '.')).split(' ').at(-1) ?? ''
}

/** The notice anna gets next. */
async function notice(before: number): Promise<string> {
  await until(() => gateway.kept().length > before, 'a notice')
  return gateway.kept().map(String).join('\n')
}

async function explained(id: string): Promise<string> {
  const { stdout } = await gateway.folder.run(['explain', id])
  return stdout
}

test('REQUIRETLS goes on to an exchanger that offers it, inside verified TLS, and explain says so', async () => {
  const id = await send(' REQUIRETLS RET=HDRS', 'bob@strict.example')
  await strict.hasAccepted(1)
  const mail = strict.securedCommands.filter((command) => /^(?:MAIL|RCPT)/.test(command))
  assert.deepEqual(mail, [
    'MAIL FROM:<anna@example.test> REQUIRETLS RET=HDRS',
    'RCPT TO:<bob@strict.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first@home.example',
  ])
  await until(async () => /delivered/.test(await explained(id)), 'the attempt in the record')
  assert.match(await explained(id), /attempt .* tls = TLSv1\.3 TLS_\S+, verified/)
  assert.equal(gateway.kept().length, 0, 'success is for the next server to tell')
})

test('REQUIRETLS to an exchanger without it comes back with 5.7.30', async () => {
  const before = gateway.kept().length
  const id = await send(' REQUIRETLS', 'bob@loose.example')
  const text = await notice(before)
  assert.match(
    text,
    /^Final-Recipient: rfc822; bob@loose\.example\r?\nAction: failed\r?\nStatus: 5\.7\.30\r?$/m,
  )
  assert.ok(!text.includes('127.0.0.2'), 'where it was tried is for the log')
  assert.match(text, /supports\s+REQUIRETLS,\s+and\s+there\s+is\s+none/)
  assert.match(await explained(id), /bob@loose\.example +bounced +\(tls\) +5\.7\.30/)
})

test('an address beyond US-ASCII to an exchanger without SMTPUTF8 comes back with 5.6.7', async () => {
  const before = gateway.kept().length
  await send(' SMTPUTF8', 'jürgen@loose.example')
  assert.match(
    await notice(before),
    /^Final-Recipient: utf-8; j\\x\{FC\}rgen@loose\.example\r?\nAction: failed\r?\nStatus: 5\.6\.7\r?$/m,
  )
})

test('8-bit content to an exchanger without 8BITMIME comes back with 5.6.3', async () => {
  const before = gateway.kept().length
  await send(' BODY=8BITMIME', 'bob@loose.example', 'Subject: x\r\n\r\nGrüße\r\n')
  assert.match(await notice(before), /^Status: 5\.6\.3\r?$/m)
  assert.equal(loose.messages.length, 0)
})

test('the metrics count them by class', async () => {
  const metrics = await gateway.control.metrics()
  const counted = (name: string): string =>
    `postern_recipients_undelivered_total{result="bounced",class="${name}"}`
  assert.ok(metrics.includes(`${counted('tls')} 1\n`), metrics)
  assert.ok(metrics.includes(`${counted('unsupported')} 2\n`))
})
