/** swaks signs in: after STARTTLS and inside implicit TLS, by PLAIN and by LOGIN, and never in the clear. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { newUser } from '../../core/credentials/user.ts'
import { formatUser } from '../../core/credentials/users-text.ts'
import { Gateway } from '../support/gateway.ts'
import { addedFields, asOnWire } from '../support/message-bytes.ts'
import { needing, needingPerl, startPeer } from '../support/peer-programs.ts'
import type { Ended } from '../support/process-group.ts'
import { until } from '../support/until.ts'

const PASSWORD = 'wonderland rabbit'
/** swaks: the server let nobody sign in. */
const NOT_SIGNED_IN = 28
const programs = needing('swaks')
const modules = needingPerl('Net::SSLeay')
const options = programs.skip === false ? modules : programs

let gateway: Gateway
let users: string
before(async () => {
  if (options.skip !== false) return
  const submission = { address: '127.0.0.1:0', role: 'submission' }
  gateway = await Gateway.start({
    listeners: [
      { ...submission, tls: 'starttls' },
      { ...submission, tls: 'implicit' },
    ],
    users: './users',
  })
  const made = newUser('anna', PASSWORD)
  assert.ok(made.ok)
  users = formatUser(made.user)
  gateway.folder.write('users', `${users}\n`)
})
after(() => gateway?.[Symbol.asyncDispose]())

interface Way {
  readonly name: string
  readonly tls: readonly string[]
  /** Of the listeners above. */
  readonly listener: 0 | 1
}

const ways: readonly Way[] = [
  { name: 'after STARTTLS', tls: ['--tls'], listener: 0 },
  { name: 'inside implicit TLS', tls: ['--tlsc'], listener: 1 },
]

async function swaks({ tls, listener }: Omit<Way, 'name'>, args: readonly string[]): Promise<Ended> {
  const server = ['--server', '127.0.0.1', '--port', String(gateway.ports[listener])]
  const mail = ['--from', 'anna@example.test', '--to', 'bob@example.test']
  await using group = startPeer('swaks', [...server, ...mail, ...tls, ...args])
  return await group.end()
}

function credentials(method: string, password: string): readonly string[] {
  return ['--auth', method, '--auth-user', 'anna', '--auth-password', password]
}

for (const way of ways) {
  for (const method of ['PLAIN', 'LOGIN']) {
    test(`AUTH ${method} ${way.name}: 235, and the mail arrives as it was sent`, options, async () => {
      const subject = `swaks ${method} ${way.name}`
      const args = [...credentials(method, PASSWORD), '--header', `Subject: ${subject}`]
      const { code, stdout, stderr } = await swaks(way, args)
      assert.equal(code, 0, `${stdout}${stderr}`)
      assert.match(stdout, /^=== TLS started with cipher TLSv1\.3:/m)
      assert.match(stdout, new RegExp(`^ ~> AUTH ${method}`, 'm'))
      assert.match(stdout, /^<~ {2}235 2\.7\.0 /m)
      assert.match(stdout, /^<~ {2}250 2\.0\.0 Queued as q_/m)
      const isIt = (content: Buffer): boolean => content.includes(`Subject: ${subject}\r\n`)
      const kept = (): readonly Buffer[] => gateway.kept().map(asOnWire).filter(isIt)
      await until(() => kept().length === 1, 'the mail in the maildir')
      const [content = Buffer.alloc(0)] = kept()
      const added = addedFields(content, sentContent(stdout))
      assert.deepEqual(added, ['Return-Path', 'Delivered-To', 'Received'])
      // RFC 3848: ESMTP with TLS and AUTH.
      assert.match(content.toString('latin1'), /\bwith ESMTPSA\b/)
    })
  }

  test(`a wrong password ${way.name}: 535, and without AUTH no mail`, options, async () => {
    const wrong = await swaks(way, credentials('PLAIN', 'wonderland rabbits'))
    assert.equal(wrong.code, NOT_SIGNED_IN, wrong.stdout)
    assert.match(wrong.stdout, /^<~\* 535 5\.7\.8 /m)
    const anonymous = await swaks(way, [])
    assert.match(anonymous.stdout, /^<~\* 530 5\.7\.0 Sign in first/m)
  })
}

test('in the clear AUTH is not offered, and swaks says so', options, async () => {
  const { code, stdout, stderr } = await swaks({ tls: [], listener: 0 }, credentials('PLAIN', PASSWORD))
  assert.equal(code, NOT_SIGNED_IN, `${stdout}${stderr}`)
  assert.match(stdout, /^<- {2}250-STARTTLS$/m)
  assert.doesNotMatch(stdout, /^<- {2}250.AUTH/m)
  assert.match(`${stdout}${stderr}`, /^\*\*\* Host did not advertise authentication$/m)
})

test('a users file that cannot be read: 454, and again 235 when it can', options, async () => {
  const [way] = ways
  assert.ok(way !== undefined)
  gateway.folder.write('users', `${users} broken\n`)
  const broken = await swaks(way, credentials('LOGIN', PASSWORD))
  assert.equal(broken.code, NOT_SIGNED_IN, broken.stdout)
  assert.match(broken.stdout, /^<~\* 454 4\.7\.0 /m)
  gateway.folder.write('users', `${users}\n`)
  const mended = await swaks(way, [...credentials('LOGIN', PASSWORD), '--quit-after', 'AUTH'])
  assert.equal(mended.code, 0, mended.stdout)
  assert.doesNotMatch(JSON.stringify(gateway.logged()), /wonderland/)
})

/** What swaks shows itself sending. */
function sentContent(dialogue: string): Buffer {
  const [, data = ''] = /^<~ {2}354 .*\n([^]*?)^ ~> \.\n/m.exec(dialogue) ?? []
  const lines = data.split(/\r?\n/).slice(0, -1)
  return Buffer.from(lines.map((line) => `${line.replace(/^ ~> \.?/, '')}\r\n`).join(''), 'latin1')
}
