/** A whole gateway in front of a server that wants TLS and a user: the password is said there, and stands nowhere else. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { address, DnsServer, noData } from '../support/dns-server.ts'
import { FakeRemote, type Script } from '../support/fake-remote.ts'
import { Gateway } from '../support/gateway.ts'
import { addedFields, message } from '../support/message-bytes.ts'
import { namedServer } from '../support/test-certificate.ts'
import { until } from '../support/until.ts'

const NAME = 'smart.example'
const [USER, PASSWORD] = ['anna@example.test', 'c0rrect:h@rse/b%ttery']
const PLAIN = Buffer.from(`\0${USER}\0${PASSWORD}`).toString('base64')
const FORMS = [PASSWORD, PLAIN, Buffer.from(PASSWORD).toString('base64'), encodeURIComponent(PASSWORD)]

/** Answers of the server to AUTH; null for what its users hear. */
let refusal: string | null = null
const script: Script = ({ verb, isSecured, argument }) => {
  if (verb === 'ehlo')
    return isSecured ? '250-smart.example\r\n250 AUTH PLAIN' : '250-smart.example\r\n250 STARTTLS'
  if (verb !== 'auth') return undefined
  return refusal ?? (argument === `PLAIN ${PLAIN}` ? '235 2.7.0 welcome' : '535 5.7.8 who is that?')
}

let remote: FakeRemote
let dns: DnsServer
let gateway: Gateway
let route: string
before(async () => {
  const { context, certificate } = namedServer(NAME)
  remote = await FakeRemote.start(script, 0, '127.0.0.1', { context })
  dns = await DnsServer.start()
  dns.set(NAME, 'A', { answers: [address(NAME, '127.0.0.1')] }).set(NAME, 'AAAA', noData())
  route = `smtp://anna%40example.test@${NAME}:${remote.port}`
  gateway = await Gateway.start({
    dns: { servers: [`127.0.0.1:${dns.port}`] },
    queue: { retry: ['200ms'] },
    log: { level: 'debug' },
  })
  gateway.folder.write('ca.pem', certificate)
  gateway.folder.write('password', `${PASSWORD}\n`)
  gateway.folder.change({ outbound: outboundWith('${file:./password}') })
  await gateway.restart()
})
after(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await dns?.stop()
  await remote?.stop()
})

function outboundWith(password: string): Readonly<Record<string, unknown>> {
  return { route: `smtp://${USER}:${password}@${NAME}:${remote.port}`, tls: { ca: './ca.pem' } }
}

async function sent(subject: string): Promise<Buffer> {
  const content = message(subject)
  assert.match(await gateway.send(['bob@elsewhere.example'], content), /^250 2\.0\.0 Queued/)
  return content
}

/** Whatever waits is tried at once, until everything is there and written down. */
async function isTaken(count: number): Promise<void> {
  await gateway.control.queueRetry({})
  await remote.hasAccepted(count)
  await until(async () => (await reasons()).length === 0, 'an empty queue')
}

const reasons = async (): Promise<readonly string[]> =>
  (await gateway.control.queueList({}, 10)).map(({ state, detail }) => `${state} ${detail}`)

test('mail goes there inside TLS, signed in', async () => {
  const content = await sent('to the smarthost')
  await isTaken(1)
  assert.deepEqual(addedFields(remote.accepted[0]?.content ?? Buffer.of(), content), ['Received'])
  assert.deepEqual(remote.commands.slice(0, 4), [
    'EHLO mx.example.test',
    'STARTTLS',
    'EHLO mx.example.test',
    `AUTH PLAIN ${PLAIN}`,
  ])
  assert.deepEqual(remote.securedCommands, remote.commands.slice(2))
  assert.deepEqual(remote.serverNames, [NAME])
})

test('535 puts mail off, and the log says who was refused; the password is nowhere', async () => {
  refusal = `535 5.7.8 not ${PLAIN} nor ${PASSWORD}`
  remote.dropAll()
  await sent('refused')
  const isDeferred = async (): Promise<boolean> =>
    (await reasons()).some((line) => /^due .*535 5\.7\.8/.test(line))
  await until(isDeferred, 'a deferral')
  const [line] = gateway.logged('delivery-auth-failed')
  assert.deepEqual([line?.['user'], line?.['level']], [USER, 'error'])
  const [entry] = await gateway.control.queueList({}, 10)
  assert.equal(entry?.route, route)
  const commands = [
    ['queue', 'list'],
    ['queue', 'show', entry?.message ?? ''],
    ['explain', entry?.message ?? ''],
  ]
  const printed = await Promise.all(
    [...commands, ['config', 'show'], ['status']].map((args) => gateway.folder.run(args)),
  )
  assert.ok(
    printed.every(({ stdout }) => stdout !== ''),
    JSON.stringify(printed),
  )
  assert.match(printed[0]?.stdout ?? '', /anna%40example\.test@smart\.example/)
  const told = [...printed.map(({ stdout, stderr }) => stdout + stderr), JSON.stringify(gateway.logged())]
  for (const form of FORMS) {
    for (const text of [...told, gateway.banner]) assert.ok(!text.includes(form), `${form} in ${text}`)
    assert.deepEqual(filesWith(form), [])
  }
  refusal = null
  // The route rests by now; a new worker does not know.
  await gateway.restart()
  await isTaken(2)
})

test('mail whose route the configuration has no password for any more waits, and says so', async () => {
  refusal = '454 4.7.0 later'
  remote.dropAll()
  await sent('left behind')
  await until(async () => (await reasons()).some((line) => line.includes('454 4.7.0')), 'a deferral')
  gateway.folder.change({ outbound: {} })
  await gateway.restart()
  refusal = null
  const expected = `due the configuration has no password for ${route}`
  await until(async () => (await reasons()).includes(expected), expected)
  gateway.folder.change({ outbound: outboundWith('${file:./password}') })
  await gateway.restart()
  await isTaken(3)
})

/** Files of the store, wal and all, in which these octets stand. */
function filesWith(text: string): readonly string[] {
  const store = join(gateway.folder.path, 'store')
  const entries = readdirSync(store, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  const files = entries.map(({ parentPath, name }) => join(parentPath, name))
  assert.ok(files.some((file) => file.endsWith('queue.db')))
  return files.filter((file) => readFileSync(file).includes(text))
}
