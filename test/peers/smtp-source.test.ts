/** Postfix's smtp-source as a client: fifty sessions at once, nothing refused, every mail there, bytes equal. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Gateway, type GatewaySettings } from '../support/gateway.ts'
import { asOnWire, withoutFront } from '../support/message-bytes.ts'
import { needing, startPeer } from '../support/peer-programs.ts'
import { SmtpSink } from '../support/smtp-sink.ts'
import { until } from '../support/until.ts'

const SESSIONS = 50
const SEND_MS = 300_000
const DELIVERY_MS = 300_000

/** A run of smtp-source. Without a length the body is four lines of verse. */
interface Load {
  readonly messages: number
  readonly bodyBytes: number | null
}

const loads: readonly Load[] = [
  { messages: 5_000, bodyBytes: null },
  { messages: 1_000, bodyBytes: 20_000 },
  { messages: 100, bodyBytes: 2_000_000 },
]

const HEADER =
  /^From: <sender@client\.example>\r\nTo: <recipient@example\.test>\r\nDate: [^\r\n]+\r\nMessage-Id: <([0-9a-f.]+@[^>\r\n]+)>\r\n\r\n/

/** The body smtp-source sends: lines of 80 octets with their number in front, the rest without. */
function bodyOf({ bodyBytes }: Load): string {
  if (bodyBytes === null) return [1, 2, 3, 4].map((line) => `La de da de da ${line}.\r\n`).join('')
  const lines = Array.from(
    { length: Math.ceil(bodyBytes / 80) - 1 },
    (_, line) => `${(line + 1) % 10}${'X'.repeat(77)}\r\n`,
  )
  return `${lines.join('')}${'X'.repeat(bodyBytes - lines.length * 80)}\r\n`
}

async function runSource({ port }: Gateway, { messages, bodyBytes }: Load): Promise<number> {
  const length = bodyBytes === null ? [] : ['-l', String(bodyBytes)]
  const load = ['-s', String(SESSIONS), '-m', String(messages), ...length]
  const paths = ['-f', 'sender@client.example', '-t', 'recipient@example.test']
  const startedAt = performance.now()
  await using source = startPeer('smtp-source', [...load, ...paths, `127.0.0.1:${port}`])
  const { code, stderr } = await source.end(SEND_MS)
  // It ends with a message of its own at the first reply that is no 2yz or 3yz.
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
  return performance.now() - startedAt
}

/** Sends everything, waits until it is delivered, and compares what arrived. */
async function passes(
  t: TestContext,
  load: Load,
  settings: GatewaySettings,
  arrived: (gateway: Gateway) => Promise<readonly Buffer[]>,
): Promise<void> {
  await using gateway = await Gateway.start({ log: { level: 'warn' }, ...settings })
  const startedAt = performance.now()
  const sendMs = await runSource(gateway, load)
  const delivered = async (): Promise<number | undefined> =>
    (await gateway.control.status()).gateway?.counters.delivered
  await until(async () => (await delivered()) === load.messages, 'every mail to be delivered', DELIVERY_MS)
  const totalMs = performance.now() - startedAt
  t.diagnostic(
    `${load.messages} mails in ${(sendMs / 1000).toFixed(1)} s (${rate(load, sendMs)}/s), ` +
      `delivered after ${(totalMs / 1000).toFixed(1)} s (${rate(load, totalMs)}/s)`,
  )
  const { accepted, refused } = (await gateway.control.status()).gateway?.counters ?? {}
  assert.deepEqual({ accepted, refused }, { accepted: load.messages, refused: 0 })
  assertAll(load, await arrived(gateway))
  assert.deepEqual(gateway.logged(), [], 'no warning in the log')
}

function rate({ messages }: Load, ms: number): number {
  return Math.round((messages / ms) * 1000)
}

/** Each message once, with exactly the header and the body smtp-source sends. */
function assertAll(load: Load, contents: readonly Buffer[]): void {
  const body = bodyOf(load)
  const ids = new Set<string>()
  for (const content of contents) {
    const text = content.toString('latin1')
    const header = HEADER.exec(text)
    assert.ok(header !== null, `the header as sent, not ${JSON.stringify(text.slice(0, 400))}`)
    assert.ok(text.slice(header[0].length) === body, `the body of ${header[1]} as sent`)
    ids.add(header[1] ?? '')
  }
  assert.equal(contents.length, load.messages)
  assert.equal(ids.size, load.messages, 'every message once')
}

for (const load of loads) {
  const what = `${load.messages} mails ${load.bodyBytes === null ? 'of four lines' : `of ${load.bodyBytes} octets`}`
  test(
    `${what} over ${SESSIONS} sessions reach smtp-sink, bytes equal`,
    needing('smtp-source', 'smtp-sink'),
    async (t) => {
      await using sink = await SmtpSink.start()
      await passes(t, load, { domains: { 'example.test': { deliver: sink.route } } }, async () =>
        (await sink.dumps()).map(({ content }) => withoutFront(content, ['Received'])),
      )
    },
  )

  test(
    `${what} over ${SESSIONS} sessions lie in a maildir, bytes equal`,
    needing('smtp-source'),
    async (t) => {
      await passes(t, load, {}, async (gateway) =>
        gateway
          .kept()
          .map((kept) => withoutFront(asOnWire(kept), ['Return-Path', 'Delivered-To', 'Received'])),
      )
    },
  )
}
