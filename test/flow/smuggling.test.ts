/**
 * Nothing a client sends can make two messages of one (RFC 5321 §2.3.8, §4.1.1.4): octets that look like the end of data,
 * with commands behind them, through a whole gateway with a header edited on the way, read at the wire of each output.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { fixturePlugin, Gateway } from '../support/gateway.ts'
import { asOnWire } from '../support/message-bytes.ts'
import { type LineRules, readAs, STRICT, StrictSink } from '../support/strict-sink.ts'
import { until } from '../support/until.ts'

interface Payload {
  readonly repr: string
  readonly bytes_b64: string
}

const OWN = join(import.meta.dirname, '..', 'fixtures', 'smtp-smuggling', 'payloads.json')
const THEIRS = join(process.env['POSTERN_CORPORA'] ?? '/nowhere', 'smtp-smuggling', 'payloads.json')

function corpus(file: string): readonly string[] {
  const payloads = JSON.parse(readFileSync(file, 'utf8')) as readonly Payload[]
  return payloads.map(({ bytes_b64: base64 }) => Buffer.from(base64, 'base64').toString('latin1'))
}

/** `\xc4\x8a` is U+010A in UTF-8: its low octet in UTF-16 is LF. */
const TOKENS = ['\r\n', '\r', '\n', '\0', '.', '..', '\xc4\x8a'] as const

function permutations(length: number): readonly string[] {
  if (length === 0) return ['']
  return permutations(length - 1).flatMap((rest) => TOKENS.map((token) => `${token}${rest}`))
}

/** Longer ones, always the same. */
const LONGER = fc.sample(
  fc.array(fc.constantFrom(...TOKENS, 'QUIT\r\n', 'RSET\r\n', '\r\n.\0\r\n'), { minLength: 4, maxLength: 9 }),
  { numRuns: 200, seed: 5321 },
)

const PAYLOADS: ReadonlySet<string> = new Set([
  ...corpus(OWN),
  ...(existsSync(THEIRS) ? corpus(THEIRS) : []),
  ...permutations(1),
  ...permutations(2),
  ...permutations(3),
  ...LONGER.map((tokens) => tokens.join('')),
])

const SMUGGLED =
  'MAIL FROM:<smuggled@evil.test>\r\nRCPT TO:<victim@smtp.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nx'

/** As servers have read it that were had. */
const LENIENT: Readonly<Record<string, LineRules>> = {
  'LF is a line end': { line: /\r?\n/g, end: /\r?\n\.\r?\n/g },
  'CR is a line end': { line: /\r\n|\r|\n/g, end: /(?:\r\n|\r|\n)\.(?:\r\n|\r|\n)/g },
  'CR is one on one side': { line: /\r\n/g, end: /\r\.\r\n|\r\n\.\r\n?/g },
}

interface Sent {
  /** What every output has to end with. */
  readonly content: string
  readonly isAccepted: boolean
}

let smtp: StrictSink
let lmtp: StrictSink
let home: StrictSink
let refusing: StrictSink
let gateway: Gateway
const sent = new Map<number, Sent>()

before(async () => {
  smtp = await StrictSink.start({ protocol: 'smtp' })
  lmtp = await StrictSink.start({ protocol: 'lmtp' })
  home = await StrictSink.start({ protocol: 'smtp' })
  refusing = await StrictSink.start({ protocol: 'smtp', rcpt: '550 5.1.1 nobody\r\n550-5.1.1' })
  gateway = await Gateway.start({
    limits: 'off',
    domains: {
      'smtp.test': { deliver: smtp.route },
      'lmtp.test': { deliver: lmtp.route },
      'maildir.test': { deliver: 'maildir:./mail' },
      'gone.test': { deliver: refusing.route },
      'home.test': { deliver: home.route },
    },
    plugins: [{ name: 'relay-control' }, fixturePlugin('editing'), { name: 'routing' }],
  })
  await sendAll()
})
after(async () => {
  await gateway?.[Symbol.asyncDispose]()
  for (const sink of [smtp, lmtp, home, refusing]) await sink?.[Symbol.asyncDispose]()
})

const RECIPIENTS = ['a@smtp.test', 'held@smtp.test', 'a@lmtp.test', 'a@maildir.test', 'a@gone.test']

async function sendAll(): Promise<void> {
  const short = [...permutations(1), ...permutations(2)]
  const wires = [
    ...Array.from(PAYLOADS, (payload) => `Subject: x\r\n\r\nbefore${payload}${SMUGGLED}\r\n`),
    ...short.map((payload) => `X-Payload: a${payload}b\r\nSubject: y\r\n\r\n${SMUGGLED}\r\n`),
  ]
  using client = await gateway.greeted()
  for (const wire of wires) {
    const number = sent.size
    const whole = `Remove-Me: x\r\nX-Case: ${number}.\r\n${wire}`
    // Such content is over where it says.
    if (whole.includes('\r\n.\r\n')) continue
    const commands = ['MAIL FROM:<a@home.test> RET=FULL', ...RECIPIENTS.map((to) => `RCPT TO:<${to}>`)]
    client.raw(commands.map((command) => `${command}\r\n`).join(''))
    for (const _ of commands) await client.expect('250', null)
    await client.expect('354', 'DATA')
    client.raw(`${whole}.\r\n`)
    const isAccepted = !/\0|\r(?!\n)|(?<!\r)\n/.test(whole)
    await client.expect(isAccepted ? '250 2.0.0 Queued' : '554 5.6.0', null)
    await client.expect('250', 'NOOP')
    sent.set(number, { content: whole.replace('Remove-Me: x\r\n', '').replace(/^\./gm, ''), isAccepted })
  }
}

const accepted = (): readonly [number, Sent][] => [...sent].filter(([, { isAccepted }]) => isAccepted)

/** Each accepted message is there so many times, with the content it has to have. */
function each(contents: readonly string[], what: string, times = 1): void {
  const found = new Map<number, string[]>()
  for (const content of contents) {
    const number = Number(/^X-Case: (\d+)\.\r$/m.exec(content)?.[1] ?? -1)
    found.set(number, [...(found.get(number) ?? []), content])
  }
  assert.equal(found.size, accepted().length, what)
  for (const [number, { content }] of accepted()) {
    const came = found.get(number) ?? []
    assert.equal(came.length, times, `${what}: message ${number}`)
    for (const one of came) {
      assert.ok(one.includes(`\r\n${content}`), `${what} ${number}: ${JSON.stringify(one)}`)
      assert.ok(!/^Remove-Me/m.test(one) && /^X-Edited: /m.test(one))
    }
  }
}

/** What came over the wire is one message each, whoever reads it. */
function readAlike(sink: StrictSink, contents: readonly string[]): void {
  for (const octets of sink.streams) {
    assert.doesNotMatch(octets, /\0|\r(?!\n)|(?<!\r)\n/, 'nothing but CRLF ends a line')
    const strictly = readAs(octets, STRICT)
    for (const [who, rules] of Object.entries(LENIENT)) assert.deepEqual(readAs(octets, rules), strictly, who)
    for (const command of strictly.commands)
      assert.match(
        command,
        /^(?:[EL]HLO mx\.example\.test|MAIL FROM:<(?:a@home\.test)?>|RCPT TO:<\w+@\w+\.test>|DATA|RSET|QUIT)(?: |$)/,
      )
    for (const message of strictly.messages) assert.doesNotMatch(message, /^\.(?!\.)/m, 'dots are doubled')
  }
  assert.equal(sink.messages.length, contents.length)
}

const unstuffed = ({ messages }: StrictSink): readonly string[] =>
  messages.map((message) => message.replace(/^\./gm, ''))

test('there is enough of both kinds', () => {
  assert.ok(PAYLOADS.size > 500, `${PAYLOADS.size} payloads`)
  assert.ok(accepted().length > 50, `${accepted().length} accepted`)
  assert.ok(sent.size - accepted().length > 400, `${sent.size - accepted().length} refused`)
})

test('by SMTP each message leaves once', async () => {
  await until(() => smtp.messages.length >= accepted().length, 'every message at the SMTP sink', 60_000)
  each(unstuffed(smtp), 'SMTP')
  readAlike(smtp, unstuffed(smtp))
})

test('by LMTP each message leaves once', async () => {
  await until(() => lmtp.messages.length >= accepted().length, 'every message at the LMTP sink', 60_000)
  each(unstuffed(lmtp), 'LMTP')
  readAlike(lmtp, unstuffed(lmtp))
})

test('in the maildir each message is one file', async () => {
  await until(() => gateway.kept().length >= accepted().length, 'every message in the maildir', 60_000)
  each(
    gateway.kept().map((kept) => asOnWire(kept).toString('latin1')),
    'maildir',
  )
})

test('a notice that returns the message is one message', async () => {
  await until(() => home.messages.length >= accepted().length, 'every notice at the sink', 60_000)
  const notices = unstuffed(home)
  readAlike(home, notices)
  each(notices, 'notice')
  assert.ok(notices.every((notice) => /^Content-Type: message\/(?:rfc822|global)\r$/m.test(notice)))
})

test('what was held and released leaves as one message', async () => {
  const before = smtp.messages.length
  const { code, stderr } = await gateway.folder.run(['queue', 'release', '--all'])
  assert.equal(code, 0, stderr)
  await until(() => smtp.messages.length >= 2 * before, 'every held message at the sink', 60_000)
  const all = unstuffed(smtp)
  readAlike(smtp, all)
  each(all, 'held', 2)
  const commands = smtp.streams.flatMap((octets) => readAs(octets, STRICT).commands)
  assert.equal(commands.filter((command) => command === 'RCPT TO:<held@smtp.test>').length, accepted().length)
})
