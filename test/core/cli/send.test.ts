import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Control, RecordedSession } from '../../../core/admin/control.ts'
import { postern } from './child.ts'
import { byMessage, entry, SESSION, serveFake, temporaryFolder } from './fake-gateway.ts'
import { runHere, type Said } from './in-process.ts'
import { accepting, type Script, type ScriptedServer, serveScript } from './scripted-server.ts'

const TO = 'anna@example.test'
const ID = 'q_bcdfghjklmnp'

interface Sent extends Said {
  readonly heard: ScriptedServer['heard']
  readonly calls: readonly (readonly unknown[])[]
}

async function send(
  t: TestContext,
  args: readonly string[] = [],
  gateway: Partial<Control> = {},
  script: Script = accepting,
  run: (args: readonly string[]) => Promise<Said> = runHere,
): Promise<Sent> {
  const { port, heard } = await serveScript(t, script)
  const { socket, calls } = await serveFake(t, gateway)
  const to = args.includes('--to') ? [] : ['--to', TO]
  const ended = await run(['send', '--server', `127.0.0.1:${port}`, '--socket', socket, ...to, ...args])
  return { ...ended, heard, calls }
}

/** The session of a message that was accepted, and delivered if there is an `attempt`. */
function accepted(...attempt: RecordedSession['entries']): RecordedSession {
  return {
    ...SESSION,
    entries: [...SESSION.entries.slice(0, 2), { at: 0, event: 'stored', detail: { id: ID } }, ...attempt],
  }
}

const DELIVERED = {
  at: 0,
  event: 'attempt',
  detail: {
    route: 'maildir:/var/mail',
    recipients: [{ address: TO, result: 'delivered', detail: 'kept as 1.anna' }],
  },
}

test('send shows the dialogue, what every plugin said, and where the message lies', async (t) => {
  const { code, stdout, stderr } = await send(
    t,
    [],
    { explain: async () => accepted(DELIVERED) },
    accepting,
    postern,
  )
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
  for (const text of [
    /^Server 127\.0\.0\.1:\d+\n {2}C +S {2}220 mx\.example\.test ESMTP\n/,
    /C {2}EHLO \[127\.0\.0\.1\] +S {2}250 mx\.example\.test\n/,
    /C {2}MAIL FROM:<sender@example\.test> SIZE=\d+ +S {2}250 2\.1\.0 fine\n/,
    /C {2}RCPT TO:<anna@example\.test> +S {2}250 2\.1\.0 fine\n/,
    /C {2}DATA +S {2}354 go ahead\n/,
    /C {2}\d+ bytes and the final dot +S {2}250 2\.0\.0 queued as q_bcdfghjklmnp\n/,
    /\nSession s_bcdfghjklmnpqrst/,
    /1 {2}relay-control +acts +0\.6 ms\n/,
    /\nAccepted as q_bcdfghjklmnp\.\nDelivered {2}anna@example\.test {3}maildir:\/var\/mail {3}kept as 1\.anna\n$/,
  ])
    assert.match(stdout, text)
})

test('send asks by the queue id of the reply', async (t) => {
  const { calls } = await send(t, [], { explain: async () => accepted(DELIVERED) })
  assert.ok(calls.some(([method, key]) => method === 'explain' && key === ID))
  assert.ok(
    calls.some(
      ([method, filter]) => method === 'queueList' && JSON.stringify(filter) === `{"message":"${ID}"}`,
    ),
  )
})

test('send waits until the delivery shows', async (t) => {
  let looks = 0
  const { code, stdout } = await send(t, [], {
    queueList: async () => (++looks < 4 ? [entry({ attempts: 0, detail: '', leased: true })] : []),
    explain: async () => (looks < 4 ? accepted() : accepted(DELIVERED)),
  })
  assert.equal(code, 0)
  assert.match(stdout, /Delivered {2}anna@example\.test {3}maildir:\/var\/mail {3}kept as 1\.anna/)
})

test('a deferred message ends with 1, why, and when it is tried again', async (t) => {
  const { code, stdout } = await send(t, [], {
    queueList: byMessage([entry()]),
    explain: async () => accepted(),
  })
  assert.equal(code, 1)
  assert.match(
    stdout,
    /Deferred {3}anna@example\.test {3}smtp:\/\/192\.0\.2\.9:25 {3}451 4\.7\.1 try again later .* {3}next attempt in 59 min\n/,
  )
  assert.match(stdout, /postern queue retry q_bcdfghjklmnp\n$/)
})

test('a held message says why and how to let it go', async (t) => {
  const held = entry({ state: 'held', detail: 'looks like spam' })
  const { code, stdout } = await send(t, [], {
    queueList: byMessage([held]),
    explain: async () => accepted(),
  })
  assert.equal(code, 0)
  assert.match(
    stdout,
    /Held {7}anna@example\.test {3}looks like spam\n.*postern queue release q_bcdfghjklmnp\n$/,
  )
})

test('a message whose fate does not show in time ends with 1 and the command to look again', async (t) => {
  const waiting = entry({ attempts: 0, detail: '', dueAt: 0 })
  const gateway = { queueList: byMessage([waiting]), explain: async () => accepted() }
  const { code, stdout } = await send(t, ['--timeout', '0'], gateway)
  assert.equal(code, 1)
  assert.match(
    stdout,
    /Waiting {4}anna@example\.test {3}smtp:\/\/192\.0\.2\.9:25\nNothing showed within 0 s\. .*postern queue show q_bcdfghjklmnp\n$/,
  )
})

test('a message whose route keeps nothing is discarded, which is fine', async (t) => {
  const queued = { at: 0, event: 'queued', detail: { message: ID, recipients: 1, discarded: 1 } }
  const { code, stdout } = await send(t, [], { explain: async () => accepted(queued) })
  assert.equal(code, 0)
  assert.match(stdout, /\nDiscarded {2}anna@example\.test {3}taken and thrown away/)
})

test('a refused message ends with 1, the reply and the explanation by its reference', async (t) => {
  const script: Script = (line) =>
    line.startsWith('RCPT') ? '550 5.1.1 No such mailbox (r_bcdfghjk)' : accepting(line)
  const { code, stdout, calls, heard } = await send(t, [], { explain: async () => SESSION }, script, postern)
  assert.equal(code, 1)
  assert.match(stdout, /RCPT TO:<anna@example\.test> +S {2}550 5\.1\.1 No such mailbox \(r_bcdfghjk\)/)
  assert.match(stdout, /recipients +REJECT +3\.1 ms {3}5\.1\.1 {2}RCPT_UNKNOWN {2}No such mailbox/)
  assert.match(stdout, /Refused {4}anna@example\.test {3}550 5\.1\.1 No such mailbox \(r_bcdfghjk\)\n$/)
  assert.deepEqual(calls, [['explain', 'r_bcdfghjk']])
  assert.equal(heard.includes('DATA'), false)
  assert.equal(heard.at(-1), 'QUIT')
})

const refusals: readonly (readonly [name: string, at: (line: string) => boolean])[] = [
  ['the greeting', (line) => line === 'greeting'],
  ['EHLO', (line) => line.startsWith('EHLO')],
  ['MAIL', (line) => line.startsWith('MAIL')],
  ['DATA', (line) => line === 'DATA'],
  ['the final dot', (line) => line === '.'],
]

for (const [name, at] of refusals) {
  test(`a refusal at ${name} ends with 1 and names every recipient`, async (t) => {
    const script: Script = (line) =>
      at(line) ? '554-5.7.1 No\r\n554 5.7.1 really no (r_bcdfghjk)' : accepting(line)
    const { code, stdout, calls } = await send(
      t,
      ['--to', TO, 'eve@example.test'],
      { explain: async () => SESSION },
      script,
    )
    assert.equal(code, 1)
    assert.match(
      stdout,
      /Refused {4}anna@example\.test {3}554 5\.7\.1 No 5\.7\.1 really no \(r_bcdfghjk\)\nRefused {4}eve@/,
    )
    assert.deepEqual(calls, [['explain', 'r_bcdfghjk']])
  })
}

test('one recipient refused and one accepted ends with 1 and says both', async (t) => {
  const script: Script = (line) =>
    line.startsWith('RCPT TO:<eve@') ? '550 5.1.1 unknown (r_bcdfghjk)' : accepting(line)
  const { code, stdout } = await send(
    t,
    ['--to', TO, 'eve@example.test'],
    { explain: async () => accepted(DELIVERED) },
    script,
  )
  assert.equal(code, 1)
  assert.match(stdout, /Delivered {2}anna@.*\nRefused {4}eve@example\.test {3}550 5\.1\.1 unknown/)
})

test('send --json is one object with everything', async (t) => {
  const { code, stdout } = await send(
    t,
    ['--json'],
    { explain: async () => accepted(DELIVERED) },
    accepting,
    postern,
  )
  assert.equal(code, 0)
  const sent = JSON.parse(stdout) as Record<string, unknown>
  assert.deepEqual(Object.keys(sent), [
    'server',
    'from',
    'to',
    'accepted',
    'queueId',
    'reference',
    'dialogue',
    'session',
    'recipients',
    'note',
  ])
  assert.deepEqual(
    [sent['accepted'], sent['queueId'], sent['reference'], sent['note']],
    [true, ID, null, null],
  )
  assert.deepEqual(sent['recipients'], [
    {
      address: TO,
      state: 'delivered',
      detail: 'kept as 1.anna',
      route: 'maildir:/var/mail',
      attempts: null,
      dueAt: null,
    },
  ])
  assert.equal((sent['session'] as { startedAt: string }).startedAt, '2026-11-23T18:41:07.000Z')
  assert.deepEqual((sent['dialogue'] as unknown[])[0], {
    sent: '',
    reply: { code: 220, lines: ['mx.example.test ESMTP'] },
  })
})

test('a message from a file goes out with CRLF and its dots doubled', async (t) => {
  const file = join(await temporaryFolder(t), 'message.eml')
  await writeFile(file, 'Subject: dots\n\n.\n..two\r\nplain\n.end')
  const { heard } = await send(t, ['--file', file], { explain: async () => accepted(DELIVERED) })
  const body = heard.slice(heard.indexOf('DATA') + 1, heard.lastIndexOf('.'))
  assert.deepEqual(body, ['Subject: dots', '', '..', '...two', 'plain', '..end'])
})

test('sender, subject and body are the ones given', async (t) => {
  const args = ['--from', '<>', '--subject', 'Grüße', '--body', 'two\nlines']
  const { heard } = await send(t, args, { explain: async () => accepted(DELIVERED) })
  assert.ok(heard.some((line) => line.startsWith('MAIL FROM:<> SIZE=')))
  assert.ok(heard.includes('Subject: =?utf-8?B?R3LDvMOfZQ==?='))
  assert.ok(heard.includes(`To: <${TO}>`))
  assert.deepEqual(heard.slice(heard.indexOf('two'), heard.indexOf('two') + 3), ['two', 'lines', '.'])
})

test('without a gateway at the socket the message is sent, and why nothing is explained is said', async (t) => {
  const { port } = await serveScript(t, accepting)
  const socket = join(await temporaryFolder(t), 'control.sock')
  const { code, stdout } = await postern([
    'send',
    '--server',
    `127.0.0.1:${port}`,
    '--socket',
    socket,
    '--to',
    TO,
  ])
  assert.equal(code, 0)
  assert.match(stdout, /What the plugins said cannot be shown: No gateway is running here/)
  assert.match(stdout, /Accepted as q_bcdfghjklmnp\.\n$/)
})

test('a server that is not there ends with 3', async () => {
  const { code, stderr } = await postern([
    'send',
    '--server',
    '127.0.0.1:1',
    '--socket',
    '/nowhere',
    '--to',
    TO,
  ])
  assert.equal(code, 3)
  assert.match(stderr, /^No SMTP server answers at 127\.0\.0\.1:1: .*ECONNREFUSED/)
})

test('a server that hangs up in the middle ends with 1 and what was said until then', async (t) => {
  const script: Script = (line) => (line.startsWith('MAIL') ? null : accepting(line))
  const { code, stdout, stderr } = await send(t, [], {}, script)
  assert.equal(code, 1)
  assert.match(stdout, /EHLO/)
  assert.match(stderr, /^The dialogue with 127\.0\.0\.1:\d+ broke off: /)
})

test('a server that speaks another protocol ends with 1', async (t) => {
  const { code, stderr } = await send(t, [], {}, () => 'SSH-2.0-OpenSSH_9.9')
  assert.equal(code, 1)
  assert.match(stderr, /no SMTP reply: SSH-2\.0/)
})

test('a message that cannot be read ends with 1 before anything is sent', async (t) => {
  const { code, stderr, heard } = await send(t, ['--file', '/nowhere/message.eml'])
  assert.equal(code, 1)
  assert.match(stderr, /^The message cannot be read: .*\/nowhere\/message\.eml/)
  assert.deepEqual(heard, [])
})

test('server and recipient come from the configuration', async (t) => {
  const { port, heard } = await serveScript(t, accepting)
  const { socket } = await serveFake(t, { explain: async () => accepted(DELIVERED) })
  const folder = await temporaryFolder(t)
  const file = join(folder, 'postern.yaml')
  await writeFile(
    file,
    `listeners: [{ address: "127.0.0.1:${port}" }]
admin: { socket: ${socket} }
store: { directory: ${folder} }
domains: { ours.test: { deliver: "maildir:./mail" } }
`,
  )
  const { stdout, stderr } = await postern(['send', '--config', file])
  assert.equal(stderr, '')
  assert.match(stdout, new RegExp(`^Server 127\\.0\\.0\\.1:${port}\\n`))
  assert.ok(heard.includes('RCPT TO:<someone@ours.test>'))
})

test('a listener whose port the system chose is found by asking the gateway', async (t) => {
  const { port, heard } = await serveScript(t, accepting)
  const { STATUS } = await import('./fake-gateway.ts')
  const listeners = [{ address: `127.0.0.1:${port}`, role: 'mx', connections: 0 }]
  const { socket } = await serveFake(t, {
    status: async () => ({
      ...STATUS,
      gateway: STATUS.gateway === null ? null : { ...STATUS.gateway, listeners },
    }),
    explain: async () => accepted(DELIVERED),
  })
  const file = join(await temporaryFolder(t), 'postern.yaml')
  await writeFile(file, 'listeners: [{ address: "127.0.0.1:0" }]\n')
  await runHere(['send', '--config', file, '--socket', socket, '--to', TO])
  assert.ok(heard.includes(`RCPT TO:<${TO}>`))
})
