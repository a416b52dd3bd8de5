/**
 * Every order of up to five commands, against a model of what RFC 5321 §4.1.4 allows: the replies are those of the model,
 * 354 comes when it has a sender and a recipient and at no other time, and hooks see its envelope.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Conversation } from '../../../core/smtp/conversation.ts'
import type { Step } from '../../../core/smtp/dialogue-port.ts'
import { SmtpService } from '../../../core/smtp/service.ts'
import { pass, reject, type TestPlugin } from '../../core/smtp/panel.ts'
import { relayControl, TestServer } from '../../core/smtp/test-server.ts'
import { testCertificate } from '../../support/test-certificate.ts'

const LONGEST = 5
const LISTENER = { role: 'mx', address: '127.0.0.1:25', tls: 'starttls' } as const
const TLS = { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', servername: null }

interface Model {
  hello: boolean
  tls: boolean
  sender: string | null
  readonly recipients: string[]
}

/** What a client does; each tells what the model expects to hear, and changes it. */
interface Move {
  readonly say: string
  /** DATA and content, when it goes on; refused at the final dot when its subject says so. */
  readonly content?: string
  expect(model: Model, number: number): number
}

function forget(model: Model): void {
  model.sender = null
  model.recipients.length = 0
}

const data = (content: string, code: number): Move => ({
  say: 'DATA',
  content,
  expect: (model) => {
    if (model.sender === null || model.recipients.length === 0) return 503
    return code
  },
})

const MOVES: readonly Move[] = [
  {
    say: 'EHLO client.example',
    expect: (model) => {
      forget(model)
      model.hello = true
      return 250
    },
  },
  {
    say: 'MAIL FROM:<N@client.example>',
    expect: (model, number) => {
      if (!model.hello || model.sender !== null) return 503
      model.sender = `${number}@client.example`
      return 250
    },
  },
  {
    say: 'RCPT TO:<N@example.test>',
    expect: (model, number) => {
      if (model.sender === null) return 503
      model.recipients.push(`${number}@example.test`)
      return 250
    },
  },
  data('Subject: x\r\n\r\nbody\r\n', 250),
  data('Subject: reject\r\n\r\nbody\r\n', 554),
  {
    say: 'RSET',
    expect: (model) => {
      forget(model)
      return 250
    },
  },
  // What reset half of a transaction elsewhere.
  { say: 'VRFY <\u00c3\u00a4@example.test> SMTPUTF8', expect: () => 252 },
  {
    say: 'STARTTLS',
    expect: (model) => {
      if (!model.hello || model.tls || model.sender !== null) return 503
      model.tls = true
      model.hello = false
      forget(model)
      return 220
    },
  },
]

test(`every order of up to ${LONGEST} commands is answered as the model has it`, async (t) => {
  const seen: { sender: string; recipients: readonly string[] }[] = []
  const watching: TestPlugin = {
    name: 'watching',
    hooks: {
      mail: ({ transaction }) => {
        seen.push({ sender: transaction.reversePath, recipients: [...transaction.recipients] })
        return pass()
      },
      rcpt: ({ transaction }) => {
        seen.push({ sender: transaction.reversePath, recipients: [...transaction.recipients] })
        return pass()
      },
      data: ({ transaction }, message) => {
        seen.push({ sender: transaction.reversePath, recipients: [...transaction.recipients] })
        const isBad = message.headers().some(({ value }) => value === 'reject')
        return isBad ? reject('5.7.1', 'Not wanted') : pass()
      },
    },
  }
  const server = await TestServer.start({
    plugins: [watching, relayControl],
    limits: { connections: 10, connectionsPerNetwork: 10 },
    tls: testCertificate(),
  })
  t.after(() => server.stop())
  const service = new SmtpService(server.parts)
  let played = 0

  const play = async (moves: readonly Move[]): Promise<void> => {
    const where = moves
      .map(({ say, content }) => say + (content?.includes('reject') ? ' (refused)' : ''))
      .join(', ')
    const client = { address: '192.0.2.7', port: 40_000, network: '192.0.2.7' }
    const talk = new Conversation(service, `s_${played++}`, client, LISTENER)
    const model: Model = { hello: false, tls: false, sender: null, recipients: [] }
    await talk.greet()
    for (const [number, move] of moves.entries()) {
      seen.length = 0
      const before = { sender: model.sender, recipients: [...model.recipients] }
      const wanted = move.expect(model, number)
      let step: Step = await talk.command(Buffer.from(move.say.replace('N', String(number)), 'latin1'))
      assert.equal(step.kind === 'receive', move.content !== undefined && wanted !== 503, where)
      if (step.kind === 'receive') {
        assert.equal(step.reply.code, 354, where)
        await step.receiver.write(Buffer.from(move.content as string))
        step = await step.receiver.end()
        forget(model)
      }
      if (step.kind === 'secure') talk.secured({ facts: TLS, binding: () => null })
      assert.ok(step.kind !== 'chunk', where)
      assert.equal(step.reply.code, wanted, where)
      for (const { sender, recipients } of seen) {
        assert.equal(sender, before.sender ?? model.sender, where)
        assert.deepEqual(recipients, before.recipients, where)
      }
    }
    talk.ended('')
  }

  const enlarge = async (moves: readonly Move[]): Promise<void> => {
    if (moves.length > 0) await play(moves)
    if (moves.length < LONGEST) for (const move of MOVES) await enlarge([...moves, move])
  }
  await enlarge([])
  assert.equal(played, (MOVES.length * (MOVES.length ** LONGEST - 1)) / (MOVES.length - 1))
  for (const { recipients } of server.stored) assert.ok(recipients.length > 0)
  assert.deepEqual(server.logged('bug'), [])
})

test('a message in any two pieces, at any octet, is the same message', async (t) => {
  const server = await TestServer.start({ limits: { messagesPerSession: Number.POSITIVE_INFINITY } })
  t.after(() => server.stop())
  const service = new SmtpService(server.parts)
  const content = 'From: a@client.example\r\nSubject: x\r\n y\r\n\r\nbody\r\n.dot\r\n\r\nend\r\n'
  const client = { address: '192.0.2.7', port: 40_000, network: '192.0.2.7' }
  const talk = new Conversation(service, 's_pieces', client, LISTENER)
  await talk.greet()
  const say = async (line: string): Promise<Step> => talk.command(Buffer.from(line))
  await say('EHLO client.example')
  for (let cut = 0; cut <= content.length; cut++) {
    await say('MAIL FROM:<a@client.example>')
    await say('RCPT TO:<a@example.test>')
    const step = await say('DATA')
    assert.ok(step.kind === 'receive')
    await step.receiver.write(Buffer.from(content.slice(0, cut)))
    await step.receiver.write(Buffer.from(content.slice(cut)))
    assert.equal((await step.receiver.end()).reply.code, 250)
    const message = server.stored.at(-1)
    assert.ok(message && server.sent(message).endsWith(content), `cut at ${cut}`)
  }
  talk.ended('')
})
