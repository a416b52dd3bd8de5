/** Tables of Haraka's tests, and why we differ where we do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseContentField } from '../../../core/content/content-field.ts'
import { decodeEncodedWords } from '../../../core/content/encoded-words.ts'
import { DotStuffing } from '../../../core/delivery/dot-stuffing.ts'
import { outcomeOf } from '../../../core/delivery/outcome.ts'
import { parseMailbox, parsePath } from '../../../core/mail/address.ts'
import { parseHeaderFields } from '../../../core/mail/header-fields.ts'
import { partsOf } from '../../core/content/message-stand.ts'
import { carried, open, outgoing } from '../../core/delivery/client-stand.ts'
import { TestServer } from '../../core/smtp/test-server.ts'
import { remoteFor, type Script } from '../../support/fake-remote.ts'
import { fixtureJson } from './folder.ts'

interface Envelope {
  readonly input: string
  readonly user?: string
  readonly host?: string
}

const envelope = fixtureJson<{ good: Envelope[]; bad: Envelope[]; format: Envelope[] }>(
  'haraka/envelope-addresses.json',
)

for (const { input, user, host } of [...envelope.good, ...envelope.format])
  test(`Haraka's address ${input} is one`, () => {
    const path = parsePath(input.startsWith('<') ? input : `<${input}>`)
    assert.ok(path.ok, JSON.stringify(path))
    if (user !== undefined) assert.equal(path.address?.localPart ?? '', user)
    if (host !== undefined) assert.equal(path.address?.domain ?? '', host)
  })

for (const { input } of envelope.bad)
  test(`Haraka's ${input} is no address`, () => {
    const path = parsePath(input.startsWith('<') ? input : `<${input}>`)
    assert.equal(path.ok, false)
    assert.equal(typeof parseMailbox(input), 'string')
  })

interface Parameters {
  readonly valid: readonly { readonly line: string }[]
  readonly throws: readonly { readonly args: readonly [string, string] }[]
  readonly strict_valid: readonly { readonly verb: string; readonly arg: string }[]
  readonly strict_throws: readonly { readonly verb: string; readonly arg: string }[]
}

const NO_PATH = 'RFC 5321 §4.1.1.2: MAIL has a reverse-path, in angle brackets'
const UNKNOWN = 'RFC 5321 §4.1.1.11: a parameter that is not known is answered 555'
/** Lines Haraka takes, what they are answered here, and by which rule. */
const OTHERWISE: Readonly<Record<string, readonly [code: string, why: string]>> = {
  'MAIL FROM:': ['501', NO_PATH],
  'MAIL FROM:user': ['501', NO_PATH],
  'MAIL FROM:user size=1234': ['501', NO_PATH],
  'MAIL FROM:user@domain size=1234': ['501', NO_PATH],
  'MAIL FROM:<postmaster>': [
    '501',
    'RFC 5321 §4.1.2: a mailbox has a domain; §4.1.1.3 spares RCPT to postmaster it',
  ],
  'MAIL FROM:<user@domain> somekey': ['555', UNKNOWN],
  'MAIL FROM:<user@domain> somekey other=foo': ['555', UNKNOWN],
  'RCPT TO: 0@mailblog.biz 0=9 1=9': ['501', 'RFC 5321 §4.1.1.3: a forward-path stands in angle brackets'],
  'RCPT TO:<r86x-ray@emailitin.com> state=1': ['555', UNKNOWN],
  'RCPT TO:<user=name@domain.com> foo=bar': ['555', UNKNOWN],
  'RCPT TO:<abuse>': ['501', 'RFC 5321 §4.1.1.3: postmaster alone needs no domain'],
}

const parameters = fixtureJson<Parameters>('haraka/mail-rcpt-params.json')
const lines = [
  ...parameters.valid.map(({ line }) => ({ line, isValid: true })),
  ...parameters.throws.map(({ args: [verb, arg] }) => ({ line: `${verb} ${arg}`, isValid: false })),
  ...parameters.strict_valid.map(({ verb, arg }) => ({ line: `${verb} ${arg}`, isValid: true })),
  ...parameters.strict_throws.map(({ verb, arg }) => ({ line: `${verb} ${arg}`, isValid: false })),
]

test('Haraka’s MAIL and RCPT lines are answered as there, but for what the RFC has otherwise', async () => {
  const domains = Object.fromEntries(
    ['domain.com', 'emailitin.com', 'mailblog.biz'].map((name) => [name, { deliver: 'discard:' }]),
  )
  const server = await TestServer.start({ settings: { domains }, limits: { errorsPerSession: 1000 } })
  try {
    const client = await server.greeted()
    const met = new Set<string>()
    for (const { line, isValid } of lines) {
      await client.ask('RSET')
      if (/^rcpt/i.test(line)) await client.ask('MAIL FROM:<a@client.example>')
      const heard = await client.ask(line)
      const code = OTHERWISE[line]?.[0]
      if (code !== undefined) met.add(line)
      assert.match(heard, new RegExp(`^${code ?? (isValid ? '250' : '5')}`), line)
    }
    assert.deepEqual([...met].toSorted(), Object.keys(OTHERWISE).toSorted())
  } finally {
    await server.stop()
  }
})

interface LineEnds {
  readonly add_dot_stuffing_and_ensure_crlf_newlines: readonly {
    readonly desc: string
    readonly input: string
    readonly expected: string
  }[]
}

for (const { desc, input, expected } of fixtureJson<LineEnds>('haraka/line-endings-dot-stuffing.json')
  .add_dot_stuffing_and_ensure_crlf_newlines)
  test(`Haraka's dot stuffing: ${desc}`, () => {
    assert.equal(new DotStuffing().take(Buffer.from(input, 'latin1')).toString('latin1'), expected)
  })

interface Decoding {
  readonly cases: readonly {
    readonly name: string
    readonly input: readonly string[]
    readonly expected: string
  }[]
  readonly hostile: readonly { readonly name: string; readonly lines?: readonly string[] }[]
}

const decoding = fixtureJson<Decoding>('haraka/header-decode.json')
for (const { name, input, expected } of decoding.cases)
  test(`Haraka's header fields: ${name}`, () => {
    const block = Buffer.from(input.map((line) => line.replace(/\r?\n?$/, '\r\n')).join(''), 'utf8')
    const [field] = parseHeaderFields(Buffer.concat([block, Buffer.from('\r\n')]))
    assert.ok(field)
    const text = field.value.replace(/\r\n(?=[ \t])/g, '')
    if (field.name === 'Subject') return assert.equal(decodeEncodedWords(text), expected)
    // What Haraka gives back as text is a parameter here, decoded.
    const values = [...parseContentField(text).parameters.values()]
    assert.deepEqual(values, [/^title="(.*)"$/.exec(expected)?.[1] ?? expected])
  })

/** What Haraka must survive, and what it comes to here. */
const HOSTILE: Readonly<Record<string, () => string>> = {
  'prototype keys as header names': () =>
    '__proto__: polluted\r\nconstructor: polluted\r\nprototype: polluted\r\nContent-Type: text/plain; __proto__=1\r\n',
  'RFC2231 10000 continuations': () =>
    `Content-Disposition: attachment${Array.from({ length: 10_000 }, (_, i) => `;\r\n f*${i}=a`).join('')}\r\n`,
  'boundary that is one space': () => 'Content-Type: multipart/mixed; boundary=" "\r\n',
  'MIME nesting 200 deep': () =>
    Array.from(
      { length: 200 },
      (_, i) => `Content-Type: multipart/mixed; boundary=b${i}\r\n\r\n--b${i}\r\n`,
    ).join(''),
}

for (const { name } of decoding.hostile)
  test(`Haraka's hostile header: ${name} is taken apart in good time and does no harm`, () => {
    const header = HOSTILE[name]
    assert.ok(header, 'a case that is new')
    const startedAt = performance.now()
    const { parts } = partsOf(`${header()}\r\nbody\r\n`)
    assert.ok(parts.length >= 1 && parts.length <= 1000)
    assert.ok(performance.now() - startedAt < 5_000)
    assert.equal(({} as { polluted?: string }).polluted, undefined)
    assert.equal(Object.keys(Object.prototype).length, 0)
  })

interface Dialogues {
  readonly cases: readonly {
    readonly name: string
    readonly outcome: 'bounce' | 'tempfail'
    readonly dialogue: readonly { readonly s?: string; readonly c?: string }[]
  }[]
}

/** Each command of the dialogue is answered as the server there does. */
function scriptOf(dialogue: Dialogues['cases'][number]['dialogue']): Script {
  const replies: Record<string, string> = {}
  for (const [index, { c }] of dialogue.entries()) {
    const next = dialogue[index + 1]?.s
    const verb = c?.split(' ')[0]?.toLowerCase()
    if (verb !== undefined && verb !== 'ehlo' && next !== undefined) replies[verb] = next
  }
  return ({ verb }) => replies[verb]
}

for (const { name, outcome, dialogue } of fixtureJson<Dialogues>('haraka/outbound-dialogues.json').cases)
  test(`Haraka's next server that says ${name}: the recipient is ${outcome}`, async (t) => {
    const remote = await remoteFor(t, scriptOf(dialogue))
    const channel = await open(t, remote.port)
    const [met] = await carried(channel, outgoing(['recipient@remote.test']))
    assert.ok(met)
    assert.equal(outcomeOf(met).result, outcome === 'bounce' ? 'failed' : 'deferred')
  })
