/** `tcp.exchange`: targets of the permission, addresses on the Internet, the message by its handle, a real server. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { tcpTarget } from '../../../sandbox/tcp-target.ts'
import { assertRefused, type RefusedUse, used } from '../../support/probe.ts'
import { fixturePlugin, problemsOf, testSandbox } from '../../support/sandbox.ts'
import { TemporaryFolder } from '../../support/temporary-folder.ts'

const TARGET = 'clamd.example.test:3310'
const permissions = { tcp: [TARGET] }
const tcp = { [TARGET]: 'stream: OK\0' }

test('what is sent arrives as written, and the answer comes back without its delimiter', async () => {
  const use = `tools.tcp.exchange('${TARGET}', ['zPING', { octets: '\\0\\xff' }, 'é'], { until: '\\0' })`
  const { result, exchanges } = await used(use, { permissions, tcp })
  assert.deepEqual(result, { value: 'stream: OK' })
  assert.deepEqual(exchanges, [{ target: TARGET, sent: 'zPING\0\xff\xc3\xa9' }])
})

test('an answer is UTF-8, or one character an octet', async () => {
  const answers = { [TARGET]: '\xc3\xa9' }
  const text = await used(`tools.tcp.exchange('${TARGET}', '')`, { permissions, tcp: answers })
  assert.deepEqual(text.result, { value: 'é' })
  const use = `tools.tcp.exchange('${TARGET}', '', { octets: true })`
  assert.deepEqual((await used(use, { permissions, tcp: answers })).result, { value: '\xc3\xa9' })
})

const refused: readonly RefusedUse[] = [
  ['another port', `tools.tcp.exchange('clamd.example.test:3311', '')`, /^PermissionDenied: .*3311/],
  ['another host', `tools.tcp.exchange('other.example:3310', '')`, /^PermissionDenied/],
  ['no target', `tools.tcp.exchange('clamd.example.test', '')`, /^InvalidArgument: a target is host:port/],
  ['no text', `tools.tcp.exchange('${TARGET}', 7)`, /^InvalidArgument/],
  ['characters that are no octets', `tools.tcp.exchange('${TARGET}', { octets: '€' })`, /^InvalidArgument/],
  [
    'too many octets',
    `tools.tcp.exchange('${TARGET}', 'é'.repeat(33000))`,
    /^InvalidArgument: at most 65536/,
  ],
  ['too many pieces', `tools.tcp.exchange('${TARGET}', Array(33).fill(''))`, /^InvalidArgument: at most 32/],
  ['an empty delimiter', `tools.tcp.exchange('${TARGET}', '', { until: '' })`, /^InvalidArgument: until/],
  ['a larger answer', `tools.tcp.exchange('${TARGET}', '', { maxBytes: 1e6 })`, /^InvalidArgument: maxBytes/],
  [
    'more time than there is',
    `tools.tcp.exchange('${TARGET}', '', { timeoutMs: 60000 })`,
    /^InvalidArgument/,
  ],
  ['a message where there is none', `tools.tcp.exchange('${TARGET}', { sizeBytes: 1 })`, /^PermissionDenied/],
  ['an answer without its end', `tools.tcp.exchange('${TARGET}', '', { until: '#' })`, /^Unavailable/],
  ['a server that is silent', `tools.tcp.exchange('silent.example:1', '')`, /^Unavailable/],
  ['a name nobody knows', `tools.tcp.exchange('unknown.example:1', '')`, /^Unavailable/],
]
test('what is no exchange, or none with a permitted target, is refused by name', async () => {
  const targets = { tcp: [TARGET, 'silent.example:1', 'unknown.example:1'] }
  const options = { permissions: targets, tcp: { ...tcp, 'silent.example:1': 'trouble' } }
  await assertRefused(refused, options)
})

for (const address of ['127.0.0.1', '10.1.2.3', '169.254.169.254', '::1', '::ffff:10.0.0.1'])
  test(`a name that leads to ${address} needs a grant`, async () => {
    const type = address.includes(':') ? 'AAAA' : 'A'
    const options = { permissions, tcp, dns: { [`${type} clamd.example.test`]: [address] } }
    const use = `tools.tcp.exchange('${TARGET}', 'x')`
    const { result, exchanges } = await used(use, options)
    assert.equal(Reflect.get(result, 'name'), 'PermissionDenied')
    assert.equal(exchanges.length, 0)
    assert.equal((await used(use, { ...options, grant: permissions })).exchanges.length, 1)
  })

test('the message is sent as received or in framed pieces, by whoever may read it', async () => {
  const message = 'Subject: x\r\n\r\nline\r\n'
  const use = `tools.tcp.exchange('${TARGET}', ['<', event.message, '>', { framed: event.message }])`
  const may = { ...permissions, 'headers.read': true, 'body.read': true }
  const { exchanges } = await used(use, { permissions: may, tcp }, message)
  const framed = '\0\0\0\x0eSubject: x\r\n\r\n\0\0\0\x06line\r\n\0\0\0\0'
  assert.equal(exchanges[0]?.sent, `<${message}>${framed}`)
  const half = await used(use, { permissions: { ...permissions, 'body.read': true }, tcp }, message)
  assert.match(JSON.stringify(half.result), /PermissionDenied.*headers\.read/)
  assert.equal(half.exchanges.length, 0)
})

test('targets have one form', () => {
  assert.deepEqual(tcpTarget('[::1]:783'), { host: '::1', port: 783 })
  assert.deepEqual(tcpTarget('10.0.0.1:65535'), { host: '10.0.0.1', port: 65_535 })
  const others = [
    'a',
    'a:0',
    'a:65536',
    'A:1',
    '*:1',
    '127.1:80',
    '0x7f.1:80',
    'a.0x7f:80',
    '::1:80',
    'a:1/',
    '[a]:1',
    '',
  ]
  for (const text of others) assert.equal(tcpTarget(text), null, text)
})

/** A server that repeats what it hears in capitals, up to a line feed. */
async function shouting(): Promise<{ readonly port: number } & Disposable> {
  const clients: Socket[] = []
  const server = createServer((client) => {
    clients.push(client)
    client.on('data', (data) => client.write(data.toString().toUpperCase()))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = () => {
    for (const client of clients) client.destroy()
    server.close()
  }
  return { port: (server.address() as { port: number }).port, [Symbol.dispose]: close }
}

test('a real server on loopback is reached where an administrator has listed it, and only there', async () => {
  await using folder = await TemporaryFolder.make()
  using server = await shouting()
  const target = `127.0.0.1:${server.port}`
  const path = join(folder.path, 'asking.ts')
  writeFileSync(
    path,
    `import { definePlugin, pass } from 'postern'
export default definePlugin({
  name: 'asking', version: '1.0.0', api: 1, permissions: { tcp: ['${target}'] },
  hooks: {
    async rcpt({ localPart }, { tcp }) {
      try {
        return pass(await tcp.exchange('${target}', localPart + '\\n', { until: '\\n' }))
      } catch (error) {
        return pass(error.name)
      }
    },
  },
})
`,
  )
  const entry = (grant: Readonly<Record<string, unknown>>) =>
    fixturePlugin('asking', { source: { kind: 'file', path }, grant })
  assert.equal(await problemsOf([entry({})]), '')
  for (const [grant, says] of [
    [{ tcp: [target] }, 'ANNA'],
    [{}, 'PermissionDenied'],
  ] as const) {
    const sandbox = await testSandbox([entry(grant)])
    const [report] = await sandbox.rcpt('anna')
    sandbox.close()
    assert.equal(report?.answer?.note?.text, says)
  }
})
