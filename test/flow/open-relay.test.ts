/**
 * No stranger sends through us to somewhere else, however the address is written (RFC 2505 §2.1): every pattern of the
 * classic probe, through DATA where its recipient is accepted, and a look at whom the next server was told about.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { FakeRemote } from '../support/fake-remote.ts'
import { Gateway } from '../support/gateway.ts'
import { message } from '../support/message-bytes.ts'
import { RawClient } from '../support/raw-client.ts'
import { until } from '../support/until.ts'

interface Table {
  readonly tests: readonly (readonly [from: string, to: string])[]
}

const FIXTURE = join(import.meta.dirname, '..', 'fixtures', 'open-relay', 'patterns.json')
const { tests: patterns } = JSON.parse(readFileSync(FIXTURE, 'utf8')) as Table

const STRANGER = '127.0.0.2'
const TRUSTED = '127.0.0.1'
const HOST = 'mx.example.test'
const OURS = ['example.test', 'second.test']
const FOREIGN = 'elsewhere.example'
const onlyLinux = { skip: process.platform !== 'linux' && 'only Linux answers on all of 127.0.0.0/8' }

let sink: FakeRemote
let gateway: Gateway
before(async () => {
  sink = await FakeRemote.start()
  gateway = await Gateway.start({
    hostname: HOST,
    domains: Object.fromEntries(OURS.map((domain) => [domain, { deliver: sink.route }])),
    outbound: { route: sink.route },
  })
})
after(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await sink?.stop()
})

/** A pattern with its names filled in. `server` is what the probe takes for our name. */
function filledIn(pattern: string, server: string): string {
  const values = { from: 'antispam', to: 'relaytest', domain: FOREIGN, srv: server, ip: '127.0.0.1' }
  return pattern.replace(/\{(\w+)\}/g, (_, name: keyof typeof values) => values[name])
}

/** Says MAIL, RCPT and, as far as the server goes along, the whole message. */
async function probe(from: string, to: string, client: string): Promise<readonly string[]> {
  using raw = await RawClient.greeted({ port: gateway.port, from: client })
  const replies = [await raw.ask(`MAIL FROM:<${from}>`), await raw.ask(`RCPT TO:<${to}>`)]
  if (replies.some((reply) => !reply.startsWith('2'))) return replies
  await raw.expect('354', 'DATA')
  raw.raw(message('a probe'))
  return [...replies, await raw.ask('.')]
}

/** Paths the next server was told, accepted there or not. */
function toldRecipients(): readonly string[] {
  return sink.commands.filter((line) => /^RCPT/i.test(line)).map((line) => /<(.*)>/.exec(line)?.[1] ?? line)
}

test('the table has every pattern of the probe', () => {
  assert.equal(patterns.length, 16)
})

test('the probe from a trusted client goes through: what follows can fail', onlyLinux, async () => {
  const replies = await probe('antispam@elsewhere.example', `relaytest@${FOREIGN}`, TRUSTED)
  assert.match(replies.at(-1) ?? '', /^250 2\.0\.0 Queued/)
  await sink.hasAccepted(1)
  assert.deepEqual(toldRecipients(), [`relaytest@${FOREIGN}`])
})

for (const server of [HOST, ...OURS.slice(0, 1)]) {
  for (const [from, to] of patterns) {
    const [sender, recipient] = [filledIn(from, server), filledIn(to, server)]
    test(`a stranger's <${sender}> to <${recipient}> reaches nobody elsewhere`, onlyLinux, async () => {
      const [before, told] = [sink.accepted.length, toldRecipients().length]
      const replies = await probe(sender, recipient, STRANGER)
      const last = replies.at(-1) ?? ''
      const isAccepted = replies.length === 3 && last.startsWith('2')
      if (!isAccepted) {
        assert.match(last, /^5\d\d 5\.\d\.\d /)
        assert.equal(sink.accepted.length, before)
        return
      }
      // A local part of ours may have any look; what counts is the domain the next server is asked for.
      await sink.hasAccepted(before + 1)
      for (const path of toldRecipients().slice(told)) {
        assert.ok(OURS.includes(path.slice(path.lastIndexOf('@') + 1)), path)
        assert.ok(!path.startsWith('@'), `no source route: ${path}`)
      }
    })
  }
}

test('a stranger reaches our own domain: the refusals are about the relaying', onlyLinux, async () => {
  const before = sink.accepted.length
  const replies = await probe(`antispam@${FOREIGN}`, `relaytest@${OURS[1]}`, STRANGER)
  assert.match(replies.at(-1) ?? '', /^250 2\.0\.0 Queued/)
  await sink.hasAccepted(before + 1)
})

test(
  'nothing waits in the queue, and the sink was told one foreign recipient: the trusted one',
  onlyLinux,
  async () => {
    const foreign = toldRecipients().filter((path) => !OURS.some((domain) => path.endsWith(`@${domain}`)))
    assert.deepEqual(foreign, [`relaytest@${FOREIGN}`])
    await until(async () => (await gateway.control.queueList({}, 100)).length === 0, 'an empty queue')
  },
)
