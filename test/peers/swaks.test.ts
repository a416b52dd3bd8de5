/** swaks as a client: what it says it sent is what arrives, in a maildir and at smtp-sink. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { Gateway } from '../support/gateway.ts'
import { addedFields, asOnWire } from '../support/message-bytes.ts'
import { needing, startPeer } from '../support/peer-programs.ts'
import { SmtpSink } from '../support/smtp-sink.ts'
import { until } from '../support/until.ts'

const OURS = 'anna@example.test'
const ELSEWHERE = 'bob@elsewhere.example'
const programs = needing('swaks', 'smtp-sink')

let sink: SmtpSink
let gateway: Gateway
before(async () => {
  if (programs.skip !== false) return
  sink = await SmtpSink.start()
  gateway = await Gateway.start({ outbound: { route: sink.route } })
})
after(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await sink?.[Symbol.asyncDispose]()
})

/** Sends one mail to both places; the content is the one swaks shows itself sending. */
async function swaks(subject: string, args: readonly string[]): Promise<Buffer> {
  const to = ['--from', 'sender@client.example', '--to', `${OURS},${ELSEWHERE}`]
  const server = ['--server', '127.0.0.1', '--port', String(gateway.port)]
  await using group = startPeer('swaks', [...server, ...to, '--header', `Subject: ${subject}`, ...args])
  const { code, stdout, stderr } = await group.end()
  assert.equal(code, 0, `${stdout}${stderr}`)
  assert.match(stdout, /^<- {2}250 2\.0\.0 Queued as q_/m)
  return sentContent(stdout)
}

function sentContent(dialogue: string): Buffer {
  const [, data = ''] = /^<- {2}354 .*\n([^]*?)^ -> \.\n/m.exec(dialogue) ?? []
  const lines = data.split(/\r?\n/).slice(0, -1)
  const text = lines.map((line) => `${line.replace(/^ -> \.?/, '')}\r\n`).join('')
  return Buffer.from(text, 'latin1')
}

const mails: readonly { readonly name: string; readonly args: () => readonly string[] }[] = [
  { name: 'its own test mail', args: () => [] },
  { name: 'lines that begin with dots', args: () => ['--body', '.\n..\n.hidden\nend'] },
  {
    name: 'an attachment',
    args: () => {
      const file = gateway.folder.write('attached.txt', randomBytes(50_000).toString('base64url'))
      return ['--attach-type', 'text/plain', '--attach', `@${file}`]
    },
  },
]

for (const { name, args } of mails) {
  test(`${name} arrives in the maildir and at smtp-sink, bytes equal`, programs, async () => {
    const subject = `swaks: ${name}`
    const sent = await swaks(subject, args())
    assert.ok(sent.includes(`Subject: ${subject}\r\n`))
    const isIt = (content: Buffer): boolean => content.includes(`Subject: ${subject}`)
    await until(async () => (await gateway.control.queueList({}, 10)).length === 0, 'an empty queue')
    const kept = gateway.kept().filter(isIt).map(asOnWire)
    assert.deepEqual(
      kept.map((content) => addedFields(content, sent)),
      [['Return-Path', 'Delivered-To', 'Received']],
    )
    const dumps = (await sink.dumps()).filter(({ content }) => isIt(content))
    assert.deepEqual(
      dumps.map(({ recipient, content }) => ({ recipient, added: addedFields(content, sent) })),
      [{ recipient: ELSEWHERE, added: ['Received'] }],
    )
  })
}
