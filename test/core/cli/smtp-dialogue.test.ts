import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type DialogueFault, sendMail, stuffed, withCrlf } from '../../../core/cli/smtp-dialogue.ts'
import { accepting, type Script, serveScript } from './scripted-server.ts'

const MAIL = { from: 'a@b.test', to: ['c@d.test'], content: Buffer.from('Subject: x\r\n\r\ny\r\n') }

async function dialogue(t: TestContext, script: Script, mail = MAIL, timeoutMs = 2_000) {
  const { port, heard } = await serveScript(t, script)
  return { outcome: await sendMail(mail, { host: '127.0.0.1', port, timeoutMs }), heard }
}

const dots: readonly (readonly [from: string, to: string])[] = [
  ['', '.\r\n'],
  ['a', 'a\r\n.\r\n'],
  ['a\r\n', 'a\r\n.\r\n'],
  ['.\r\n', '..\r\n.\r\n'],
  ['.a\r\n..b\r\nc.\r\n', '..a\r\n...b\r\nc.\r\n.\r\n'],
]

for (const [from, to] of dots) {
  test(`${JSON.stringify(from)} is sent as ${JSON.stringify(to)}`, () => {
    assert.equal(stuffed(Buffer.from(from)).toString(), to)
  })
}

test('line ends become CRLF and every other octet stays', () => {
  assert.equal(withCrlf(Buffer.from('a\nb\r\nc\rd\n\ne')).toString(), 'a\r\nb\r\nc\r\nd\r\n\r\ne')
  const octets = Buffer.from(
    Array.from({ length: 256 }, (_, i) => i).filter((octet) => octet !== 10 && octet !== 13),
  )
  assert.deepEqual(withCrlf(octets), octets)
})

test('8BITMIME and SIZE are said only to a server that offers them', async (t) => {
  const eightBit = { ...MAIL, content: Buffer.from('Subject: x\r\n\r\nü\r\n') }
  const offered = await dialogue(t, accepting, eightBit)
  assert.ok(offered.heard.includes('MAIL FROM:<a@b.test> SIZE=18 BODY=8BITMIME'))
  const plain = await dialogue(
    t,
    (line) => (line.startsWith('EHLO') ? '250 hello' : accepting(line)),
    eightBit,
  )
  assert.ok(plain.heard.includes('MAIL FROM:<a@b.test>'))
})

test('a reply of several lines may come in pieces', async (t) => {
  const { outcome } = await dialogue(t, (line) =>
    line === 'greeting' ? '220-one\r\n220-two\r\n220' : accepting(line),
  )
  assert.deepEqual(outcome.exchanges[0]?.reply, { code: 220, lines: ['one', 'two', ''] })
  assert.equal(outcome.accepted, true)
})

test('a server that says nothing is given up', async (t) => {
  const { port } = await serveScript(t, () => '')
  await assert.rejects(
    sendMail(MAIL, { host: '127.0.0.1', port, timeoutMs: 500 }),
    (error: DialogueFault) => {
      assert.equal(error.message, 'the server did not answer within 0.5 s')
      assert.equal(error.unreachable, false)
      return true
    },
  )
})

test('a server that never ends a line is given up', async (t) => {
  const { port } = await serveScript(t, () => `220-${'x'.repeat(100_000)}`)
  await assert.rejects(sendMail(MAIL, { host: '127.0.0.1', port, timeoutMs: 2_000 }), /no SMTP reply/)
})

test('a server that does not answer QUIT has taken the message all the same', async (t) => {
  const { outcome } = await dialogue(t, (line) => (line === 'QUIT' ? null : accepting(line)))
  assert.deepEqual([outcome.accepted, outcome.recipients], [true, ['c@d.test']])
})
