/** Lines for fail2ban, and the filter that comes with the gateway, read as fail2ban reads it: without the date. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLog } from '../../../core/observe/log.ts'
import { type SecurityEvent, SecurityLog, securityLine } from '../../../core/observe/security-log.ts'
import { TestServer } from '../smtp/test-server.ts'

const filter = readFileSync(new URL('../../../config/fail2ban/postern.conf', import.meta.url), 'utf8')
const failregex = /^failregex = (.*)$/m.exec(filter)?.[1] ?? ''
const FAIL = new RegExp(failregex.replace('<HOST>', '(?<host>[0-9a-fA-F.:]+)'))
const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/

/** The address fail2ban would ban for this line; undefined for none. */
function banned(line: string): string | undefined {
  assert.match(line, DATE)
  return FAIL.exec(line.replace(DATE, ''))?.groups?.['host']
}

const EVENT: SecurityEvent = {
  event: 'auth-fail',
  address: '203.0.113.9',
  listener: 'submission',
  reason: 'AUTH_WRONG',
  session: 's_1',
}

test('lines are appended, and into a new file when the old one was moved away', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-security-'))
  try {
    const file = join(folder, 'security.log')
    const log = new SecurityLog(file, { now: () => Date.UTC(2026, 10, 23, 19, 4, 12) }, silentLog)
    log.tell(EVENT)
    log.tell({ ...EVENT, address: '2001:db8::9' })
    await log.flushed()
    renameSync(file, `${file}.1`)
    log.tell({ ...EVENT, event: 'flood' })
    await log.flushed()
    const lines = [`${file}.1`, file].flatMap((name) => readFileSync(name, 'utf8').trimEnd().split('\n'))
    assert.deepEqual(lines.map(banned), ['203.0.113.9', '2001:db8::9', '203.0.113.9'])
    assert.match(lines[0] ?? '', /^2026-11-23T19:04:12\.000Z \S+ postern\[\d+\]: sec v=1 event=auth-fail ip=/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a file that cannot be written is told once, and nothing is thrown', async () => {
  const said: string[] = []
  const log = { ...silentLog, error: (event: string) => void said.push(event) }
  const security = new SecurityLog('/nonexistent/security.log', { now: () => 0 }, log)
  security.tell(EVENT)
  await security.flushed()
  security.tell(EVENT)
  await security.flushed()
  assert.deepEqual(said, ['security-log-failed'])
})

test('no value breaks a line or adds an address', () => {
  const line = securityLine({ ...EVENT, reason: 'x ip=192.0.2.1 \r\nsec', session: 'a=b' })
  assert.equal(line.match(/ip=/g)?.length, 1)
  assert.doesNotMatch(line, /[\r\n]/)
})

test('other versions and events are not banned', () => {
  for (const text of [
    securityLine(EVENT).replace('v=1', 'v=2'),
    securityLine(EVENT).replace('auth-fail', 'said'),
  ])
    assert.equal(banned(`2026-11-23T19:04:12.000Z mx1 postern[1]: ${text}`), undefined)
})

test('a server tells of relaying, scans and floods, and not of a trusted client', async () => {
  for (const networks of [[], ['127.0.0.0/8']]) {
    const told: SecurityEvent[] = []
    const server = await TestServer.start({
      limits: { errorsPerSession: 1 },
      settings: { relay: { networks } },
      plugins: [],
      parts: { security: { tell: (event) => void told.push(event) } },
    })
    try {
      const client = await server.greeted()
      await client.ask('MAIL FROM:<a@client.example>')
      await client.ask('RCPT TO:<someone@elsewhere.example>')
      await client.ask('MAKE COFFEE')
      const early = await server.connect()
      early.raw('GET / HTTP/1.1\r\n')
      await early.closed()
      const other = await server.greeted()
      other.raw('NOOP\n')
      await other.closed()
    } finally {
      await server.stop()
    }
    const events = told.map(({ event, address }) => `${event} ${address}`)
    if (networks.length > 0) assert.deepEqual(events, [])
    else {
      assert.deepEqual(events.slice(0, 2), ['relay-denied 127.0.0.1', 'flood 127.0.0.1'])
      assert.equal(events.at(-1), 'scan 127.0.0.1')
    }
  }
})
