/** A whole gateway that sends to the mail exchangers of each domain, with a DNS server and next hops on loopback. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { address, DnsServer, mx, noData, SERVFAIL } from '../support/dns-server.ts'
import { FakeRemote } from '../support/fake-remote.ts'
import { Gateway } from '../support/gateway.ts'
import { addedFields, message } from '../support/message-bytes.ts'
import { until } from '../support/until.ts'

let remote: FakeRemote
let dns: DnsServer
let gateway: Gateway
before(async () => {
  remote = await FakeRemote.start()
  dns = await DnsServer.start()
  gateway = await Gateway.start({
    outbound: { route: 'mx', port: remote.port, allowedNetworks: ['127.0.0.0/8'] },
    dns: { servers: [`127.0.0.1:${dns.port}`] },
  })
})
after(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await dns?.stop()
  await remote?.stop()
})

/** The exchanger of a domain, at an address of loopback. */
function setExchanger(domain: string, host: string, at: string): void {
  dns.set(domain, 'MX', { answers: [mx(domain, 10, host)] })
  dns.set(host, 'A', { answers: [address(host, at)] }).set(host, 'AAAA', noData())
}

test('the start says where mail for elsewhere goes', () => {
  assert.match(gateway.banner, /^\s+elsewhere +mx {3}\(the mail exchangers of each domain\)$/m)
})

test('one mail to several domains: each goes its own way, and `queue list` says why some still wait', async () => {
  setExchanger('good.example', 'mx.good.example', '127.0.0.1')
  setExchanger('down.example', 'mx.down.example', '127.0.0.9')
  dns.set('null.example', 'MX', { answers: [mx('null.example', 0, '.')] })
  dns.set('sick.example', 'MX', SERVFAIL)
  const names = [
    'anna@example.test',
    ...['good', 'down', 'null', 'sick', 'gone'].map((d) => `bob@${d}.example`),
  ]
  const sent = message('to several domains')
  // From nobody: what fails is held then, since there is nobody to tell.
  assert.match(await gateway.send(names, sent, ''), /^250 2\.0\.0 Queued/)
  await remote.hasAccepted(1)
  const [got] = remote.accepted
  assert.deepEqual(got?.recipients, ['bob@good.example'])
  assert.deepEqual(addedFields(got?.content ?? Buffer.of(), sent), ['Received'])
  const owed = async (): Promise<readonly string[]> => {
    const entries = await gateway.control.queueList({}, 100)
    const waiting = entries.filter(({ state }) => state !== 'delivered')
    return waiting.map(({ route, state, detail }) => `${route} ${state} ${detail}`).toSorted()
  }
  const isAttempted = (line: string): boolean => /(?:due|held) \d\./.test(line)
  await until(async () => {
    const lines = await owed()
    return lines.length === 4 && lines.every(isAttempted)
  }, 'the first attempts')
  assert.deepEqual(await owed(), [
    `mx:down.example due 4.4.1 mx.down.example[127.0.0.9]:${remote.port}: ` +
      `connect ECONNREFUSED 127.0.0.9:${remote.port} (while connecting)`,
    'mx:gone.example held 5.1.2 gone.example does not exist',
    'mx:null.example held 5.1.10 null.example takes no mail (null MX, RFC 7505)',
    `mx:sick.example due 4.4.3 sick.example cannot be looked up: SERVFAIL (127.0.0.1 port ${dns.port})`,
  ])
  const { stdout } = await gateway.folder.run(['queue', 'list'])
  assert.match(stdout, /5\.1\.10 null\.example takes no mail/)
})

test('what stays is in the log with the host it was about', () => {
  const attempts = gateway.logged('delivery-attempt')
  const remotes = attempts.map(({ route, remote: where }) => `${String(route)} ${String(where)}`)
  assert.ok(remotes.includes(`mx:good.example mx.good.example[127.0.0.1]:${remote.port}`), remotes.join('\n'))
})

test('a domain whose exchanger is this very server: held, not sent in circles', async () => {
  setExchanger('circle.example', 'mx.circle.example', '127.0.0.1')
  await using own = await Gateway.start({ dns: { servers: [`127.0.0.1:${dns.port}`] } })
  // Where it listens is known only now.
  own.folder.change({ outbound: { route: 'mx', port: own.port, allowedNetworks: ['127.0.0.0/8'] } })
  await own.restart()
  await own.send(['bob@circle.example'], message('in circles'), '')
  const held = async (): Promise<readonly string[]> => {
    const entries = await own.control.queueList({ state: 'held' }, 10)
    return entries.map(({ detail }) => detail)
  }
  await until(async () => (await held()).length === 1, 'the hold')
  assert.deepEqual(await held(), [
    '5.4.6 mx.circle.example: that is this server itself, and mail would go in circles',
  ])
})
