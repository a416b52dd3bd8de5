/**
 * Command sequences against a model of the phases (RFC 5321 §4.1.4): each is answered as the model says, and every hook
 * sees the envelope the model has. POSTERN_SEQUENCES: how many sequences are tried.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { TestPlugin } from './panel.ts'
import { pass, reject } from './panel.ts'
import { relayControl, TestServer } from './test-server.ts'

const SEQUENCES = Number(process.env['POSTERN_SEQUENCES'] ?? 300)
const OVER_SOCKETS = Math.ceil(SEQUENCES * 0.03)

/** What the model knows of a session. */
interface Model {
  hasHello: boolean
  sender: string | null
  recipients: Set<string>
  refused: number
  /** Content that came by BDAT; null when there was none. */
  content: string | null
}

interface Command {
  readonly text: string
  /** Octets of a chunk behind it. */
  readonly chunk?: string
  /** The code the model expects; changes the model. */
  expect(model: Model, asked: (envelope: string) => void): number
}

const reset = (model: Model): void => {
  model.sender = null
  model.recipients = new Set()
  model.refused = 0
  model.content = null
}

const NEW: Model = { hasHello: false, sender: null, recipients: new Set(), refused: 0, content: null }

const envelopeOf = (model: Model): string => `<${model.sender}> ${[...model.recipients].sort().join()}`

const hello = (text: string, code: number): Command => ({
  text,
  expect: (model) => {
    if (code !== 250) return code
    reset(model)
    model.hasHello = true
    return code
  },
})

const mail = (sender: string, code: number): Command => ({
  text: `MAIL FROM:<${sender}>`,
  expect: (model) => {
    if (!model.hasHello || model.sender !== null) return 503
    if (code === 250) {
      reset(model)
      model.sender = sender
    }
    return code
  },
})

const rcpt = (recipient: string, code: number): Command => ({
  text: `RCPT TO:<${recipient}>`,
  expect: (model) => {
    if (model.sender === null || model.content !== null) return 503
    if (code === 250) model.recipients.add(recipient)
    else model.refused++
    return code
  },
})

const fixed = (text: string, code: number): Command => ({ text, expect: () => code })

const DATA: Command = {
  text: 'DATA',
  expect: (model) => {
    if (model.sender === null || model.content !== null) return 503
    if (model.recipients.size > 0) return 354
    return model.refused > 0 ? 554 : 503
  },
}

/** Refused, it is thrown away; what it makes of the content so far may end the transaction (RFC 3030 §2). */
const bdat = (chunk: string, isLast: boolean): Command => ({
  text: `BDAT ${chunk.length}${isLast ? ' LAST' : ''}`,
  chunk,
  expect: (model, asked) => {
    if (model.sender === null) return 503
    if (model.recipients.size === 0) return model.refused > 0 ? 554 : 503
    model.content = `${model.content ?? ''}${chunk}`
    const whole = isLast && !/^$|\n$/.test(model.content) ? `${model.content}\r\n` : model.content
    const isMalformed = /\r(?!\n|$)|(?<!\r)\n/.test(whole)
    if (isLast && !isMalformed) for (const hook of ['data', 'queue']) asked(`${hook} ${envelopeOf(model)}`)
    if (isLast || isMalformed) reset(model)
    return isMalformed ? 554 : 250
  },
})

const COMMANDS: readonly Command[] = [
  hello('EHLO client.example', 250),
  hello('HELO client.example', 250),
  hello('EHLO reject.example', 550),
  hello('EHLO', 501),
  mail('a@client.example', 250),
  mail('', 250),
  mail('reject@client.example', 550),
  mail('no domain', 501),
  rcpt('one@example.test', 250),
  rcpt('two@example.test', 250),
  rcpt('reject@example.test', 550),
  rcpt('one@elsewhere.test', 550),
  rcpt('', 501),
  DATA,
  ...['Subject: x\r\n\r\n', '\r\n.\r\nQUIT\r\n', 'a\r', '\n', 'b\n', 'c', ''].flatMap((chunk) => [
    bdat(chunk, false),
    bdat(chunk, true),
  ]),
  {
    text: 'RSET',
    expect: (model) => {
      reset(model)
      return 250
    },
  },
  fixed('NOOP', 250),
  fixed('VRFY \xe4', 252),
  fixed('EXPN all', 502),
  fixed('STARTTLS', 502),
  fixed('XYZZY', 500),
]

const ORDERLY: readonly Command[] = [
  hello('EHLO client.example', 250),
  mail('a@client.example', 250),
  rcpt('one@example.test', 250),
  DATA,
]

const CHUNKED: readonly Command[] = [
  ...ORDERLY.slice(0, 3),
  bdat('Subject: x\r\n\r\nx\r', false),
  bdat('\n.\r\n', false),
  bdat('..\r\n', true),
]

const CONTENTS = [
  { text: '.\r\n', code: 250, isAsked: true },
  { text: 'Subject: x\r\n\r\n..\r\nMAIL FROM:<b@client.example>\r\n.\r\n', code: 250, isAsked: true },
  { text: 'Subject: reject\r\n\r\nx\r\n.\r\n', code: 554, isAsked: true },
  { text: 'Subject: x\r\n\r\nx\n.\n\r\n.\r\n', code: 554, isAsked: false },
] as const

/** Refuses what is called so, and writes down the envelopes it sees. */
function watcher(seen: string[]): TestPlugin {
  const said = (text: string): ReturnType<typeof pass> =>
    text.includes('reject') ? reject('5.7.1', 'Not wanted') : pass()
  return {
    name: 'watcher',
    hooks: {
      helo: ({ session }) => said(session.hello?.name ?? ''),
      mail: ({ transaction }) => said(transaction.reversePath),
      rcpt: ({ localPart }) => said(localPart),
      data: ({ transaction }, message) => {
        seen.push(`data <${transaction.reversePath}> ${[...transaction.recipients].sort().join()}`)
        return said(message.headers().find(({ name }) => name === 'Subject')?.value ?? '')
      },
      queue: ({ reversePath, recipients }) => {
        seen.push(
          `queue <${reversePath}> ${recipients
            .map(({ address }) => address)
            .sort()
            .join()}`,
        )
        return pass()
      },
    },
  }
}

interface Wire {
  say(octets: string): void
  replies(count: number): Promise<readonly string[]>
}

/** Commands in groups that end where the client has to wait: at DATA, and behind the final dot. */
async function play(
  wire: Wire,
  commands: readonly Command[],
  contents: readonly (typeof CONTENTS)[number][],
  cuts: readonly number[],
): Promise<readonly string[]> {
  const model: Model = { ...NEW, recipients: new Set() }
  const envelopes: string[] = []
  let group: { text: string; chunk?: string | undefined; code: number }[] = []
  let messages = 0
  const send = async (): Promise<void> => {
    sayCut(wire, group.map(({ text, chunk = '' }) => `${text}\r\n${chunk}`).join(''), cuts)
    const replies = await wire.replies(group.length)
    assert.deepEqual(
      replies.map((reply) => Number(reply.slice(0, 3))),
      group.map(({ code }) => code),
      `${JSON.stringify(group)} ${JSON.stringify(replies)}`,
    )
    group = []
  }
  for (const command of commands) {
    const code = command.expect(model, (envelope) => envelopes.push(envelope))
    group.push({ text: command.text, chunk: command.chunk, code })
    if (command !== DATA) continue
    await send()
    if (code !== 354) continue
    const content = contents[messages++ % contents.length] ?? CONTENTS[0]
    const envelope = envelopeOf(model)
    if (content.isAsked) envelopes.push(`data ${envelope}`)
    if (content.code === 250) envelopes.push(`queue ${envelope}`)
    reset(model)
    group.push({ text: content.text.slice(0, -2), code: content.code })
  }
  await send()
  return envelopes
}

function sayCut(wire: Wire, text: string, cuts: readonly number[]): void {
  let from = 0
  for (let index = 0; from < text.length; index++) {
    const length = cuts.length === 0 ? text.length : (cuts[index % cuts.length] as number)
    wire.say(text.slice(from, from + length))
    from += length
  }
}

/** Often enough in an order that leads to a message. */
const part = fc.oneof(
  fc.constantFrom(...COMMANDS).map((command) => [command]),
  fc.constant(ORDERLY),
  fc.constant(ORDERLY.slice(0, 2)),
  fc.constant(CHUNKED),
  fc.constant(CHUNKED.slice(1, -1)),
  fc.constant(ORDERLY.slice(1)),
)

const sequence = fc.tuple(
  fc.array(part, { maxLength: 8 }).map((parts) => parts.flat()),
  fc.array(fc.constantFrom(...CONTENTS), { minLength: 1, maxLength: 4 }),
  fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 5 }),
)

const UNLIMITED = {
  errorsPerSession: Infinity,
  messagesPerSession: Infinity,
  connections: Infinity,
  connectionsPerNetwork: Infinity,
}

test(`${SEQUENCES} sequences of commands are answered as the model of the phases says`, async (t) => {
  const seen: string[] = []
  const server = await TestServer.start({ plugins: [watcher(seen), relayControl], limits: UNLIMITED })
  t.after(() => server.stop())
  await fc.assert(
    fc.asyncProperty(sequence, async ([commands, contents, cuts]) => {
      seen.length = server.stored.length = server.panel.calls.length = server.panel.events.length = 0
      server.lines.length = 0
      const socket = server.plug()
      assert.equal((await socket.replies(1))[0]?.slice(0, 3), '220')
      assert.deepEqual(await play(socket, commands, contents, cuts), seen)
      const envelopes = seen.length
      socket.say('QUIT\r\n')
      assert.equal((await socket.replies(1))[0]?.slice(0, 3), '221')
      assert.equal(seen.length, envelopes)
      assert.deepEqual(server.logged('bug'), [])
      socket.destroy()
    }),
    { numRuns: SEQUENCES },
  )
})

test(`${OVER_SOCKETS} sequences over sockets, cut at random, are answered alike`, async (t) => {
  const seen: string[] = []
  const server = await TestServer.start({ plugins: [watcher(seen), relayControl], limits: UNLIMITED })
  t.after(() => server.stop())
  await fc.assert(
    fc.asyncProperty(sequence, async ([commands, contents, cuts]) => {
      seen.length = 0
      const client = await server.connect()
      await client.expect('220', null)
      const wire: Wire = {
        say: (octets) => client.raw(octets),
        replies: async (count) => {
          const replies: string[] = []
          while (replies.length < count) replies.push((await client.reply()).split('\n').at(-1) ?? '')
          return replies
        },
      }
      assert.deepEqual(await play(wire, commands, contents, cuts), seen)
      client.destroy()
    }),
    { numRuns: OVER_SOCKETS },
  )
})
