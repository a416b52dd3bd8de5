/** Values that were somebody's undoing: kept octet for octet, run by nobody, and no line, key or field of their own. */
import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../../core/observe/clock.ts'
import { silentLog } from '../../../core/observe/log.ts'
import { SecurityLog } from '../../../core/observe/security-log.ts'
import { TestServer } from '../../core/smtp/test-server.ts'
import { TemporaryFolder } from '../../support/temporary-folder.ts'
import { testCertificate } from '../../support/test-certificate.ts'

/** Local parts that are atoms or quoted strings, so that nothing but a shell or an expander could object. */
const EXPANSIONS = [
  '`id`',
  '$(id)'.replace(/[()]/g, ''),
  '${run{/bin/id}}',
  '|/bin/id',
  '{{7*7}}',
  '%s%n%x',
  '"; id; "',
  '"$(touch /tmp/x)"',
  '"a;b|c&d>e<f"',
  '"../../etc/passwd"',
  '../../etc/passwd'.replaceAll('.', '_'),
  '-oQ/tmp',
  '#comment',
]

test('what would be run by a shell or an expander stands in the queue as it was sent, and nothing is started', async (t) => {
  const server = await TestServer.start()
  t.after(() => server.stop())
  let started = 0
  const count = (): void => void started++
  subscribe('child_process', count)
  t.after(() => unsubscribe('child_process', count))
  const client = await server.greeted()
  for (const localPart of EXPANSIONS) {
    assert.match(await client.ask(`MAIL FROM:<${localPart}@client.example>`), /^250 /, localPart)
    assert.match(await client.ask(`RCPT TO:<${localPart}@example.test>`), /^250 /, localPart)
    await client.ask('DATA')
    assert.match(await client.ask(`Subject: ${localPart}\r\n\r\n${localPart}\r\n.`), /^250 /)
    const message = server.stored.at(-1)
    assert.equal(message?.reversePath, `${localPart}@client.example`)
    assert.equal(message?.recipients[0]?.address, `${localPart}@example.test`)
    assert.ok(message && server.sent(message).endsWith(`Subject: ${localPart}\r\n\r\n${localPart}\r\n`))
  }
  for (const name of ['`id`', '$(id)', ';id;', '|id', '../etc'])
    assert.match(await client.ask(`EHLO ${name}`), /^501 /, name)
  assert.equal(started, 0)
})

const KEYS = ['__proto__', 'constructor', 'hasOwnProperty', 'toString', 'prototype', 'valueOf']

test('keys of prototypes are names like any other: verbs, parameters, domains, local parts, fields', async (t) => {
  const server = await TestServer.start({ limits: { errorsPerSession: 1000 } })
  t.after(() => server.stop())
  const client = await server.greeted()
  for (const key of KEYS) {
    assert.match(await client.ask(key), /^500 5\.5\.2 /, 'verb')
    assert.match(await client.ask(`AUTH ${key}`), /^502 /, 'mechanism')
    assert.match(
      await client.ask(`MAIL FROM:<a@client.example> ${key}=1`),
      /^5(?:01|55) 5\.5\.4 /,
      'parameter',
    )
    assert.match(await client.ask(`MAIL FROM:<${key}@client.example>`), /^250 /)
    assert.match(await client.ask(`RCPT TO:<a@example.test> ${key}=1`), /^5(?:01|55) 5\.5\.4 /, 'parameter')
    // None of our domains; one with an underscore is no domain at all.
    assert.match(await client.ask(`RCPT TO:<a@${key}>`), /^5(?:50 5\.7\.1|01 5\.1\.3) /, 'domain')
    assert.match(await client.ask(`RCPT TO:<${key}@example.test>`), /^250 /)
    await client.ask('DATA')
    const fields = `${key}: polluted\r\nContent-Type: text/plain; ${key}=polluted\r\nSubject: ${key}\r\n`
    assert.match(await client.ask(`${fields}\r\nbody\r\n.`), /^250 /)
    const message = server.stored.at(-1)
    assert.equal(message?.recipients[0]?.address, `${key}@example.test`)
    assert.ok(message && server.sent(message).endsWith(`${fields}\r\nbody\r\n`))
  }
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined)
  assert.deepEqual(Object.keys(Object.prototype), [])
})

/** xtext and base64 carry what a line cannot. */
const LINE_ENDS = ['\r\n', '\n', '\r', '\0', '\u0085', '\u2028']

test('no line end hidden in a value adds a line to log, record, queue or header', async (t) => {
  await using folder = await TemporaryFolder.make()
  const path = join(folder.path, 'security.log')
  const server = await TestServer.start({
    listener: { role: 'submission', address: '127.0.0.1:465', tls: 'implicit' },
    limits: { errorsPerSession: 1000 },
    tls: testCertificate(),
    credentials: { verify: async () => ({ kind: 'wrong' }) },
    parts: { security: new SecurityLog(path, systemClock, silentLog) },
  })
  t.after(() => server.stop())
  for (const end of LINE_ENDS) {
    const client = await server.connect()
    await client.secure()
    await client.reply()
    await client.ask('EHLO client.example')
    const response = Buffer.from(`\0admin${end}X-Injected: 1\0secret`).toString('base64')
    assert.match(await client.ask(`AUTH PLAIN ${response}`), /^5\d\d [^\r\n]*$/)
    client.destroy()
  }
  for (const { fields } of server.lines)
    for (const value of Object.values(fields))
      if (typeof value === 'string')
        assert.doesNotMatch(value.split('\n    at ')[0] ?? '', /[\r\n\0\u0085\u2028]/)
  const lines = readFileSync(path, 'utf8')
  assert.match(lines, /^(?:[^\r\n\0\u0085\u2028]+\n)+$/)
  assert.doesNotMatch(lines, /^X-Injected/m)
  assert.ok(lines.split('\n').length - 1 <= LINE_ENDS.length)
})

test('line ends in xtext are refused, and never reach the envelope (RFC 3461 §4)', async (t) => {
  const server = await TestServer.start({ limits: { errorsPerSession: 1000 } })
  t.after(() => server.stop())
  const client = await server.greeted()
  for (const hidden of ['+0D+0A', '+0A', '+0D', '+00', '+0d+0a']) {
    assert.match(await client.ask(`MAIL FROM:<a@client.example> ENVID=a${hidden}b`), /^501 5\.5\.4 /, hidden)
    await client.ask('MAIL FROM:<a@client.example>')
    const orcpt = `ORCPT=rfc822;a${hidden}X-Injected:+201@example.test`
    assert.match(await client.ask(`RCPT TO:<a@example.test> ${orcpt}`), /^501 5\.5\.4 /, hidden)
    await client.ask('RSET')
  }
  // What stands as text is text.
  await client.ask('MAIL FROM:<a@client.example> ENVID=a+2B0D+2B0Ab')
  await client.ask('RCPT TO:<a@example.test>')
  await client.ask('DATA')
  await client.ask('Subject: x\r\n\r\nbody\r\n.')
  assert.equal(server.stored[0]?.dsn?.envid, 'a+0D+0Ab')
})
