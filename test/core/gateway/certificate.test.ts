/** The certificate as a configuration asks for it: made on the spot, the administrator's, or none. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Config } from '../../../config/config.ts'
import { parseConfig } from '../../../config/load.ts'
import { openCertificates } from '../../../core/gateway/certificate.ts'
import { systemClock } from '../../../core/observe/clock.ts'
import type { Log } from '../../../core/observe/log.ts'
import { selfSigned } from '../../../core/tls/self-signed.ts'

const folder = mkdtempSync(join(tmpdir(), 'postern-opened-'))
after(() => rmSync(folder, { recursive: true }))

function load(text: string): Config {
  const loaded = parseConfig(`hostname: mx.example.test\n${text}`, join(folder, 'postern.yaml'), {})
  assert.ok(loaded.ok, JSON.stringify(loaded))
  return loaded.config
}

function open(config: Config): {
  readonly opened: ReturnType<typeof openCertificates>
  readonly events: readonly string[]
} {
  const events: string[] = []
  const write = (event: string): void => void events.push(event)
  const log: Log = { debug: write, info: write, warn: write, error: write, child: () => log }
  const opened = openCertificates(config, [], log, systemClock)
  after(() => (opened !== null && 'context' in opened ? opened.close() : undefined))
  return { opened, events }
}

test('without a listener that offers TLS there is none', () => {
  assert.deepEqual(open(load('listeners: [{ address: "127.0.0.1:0" }]')), { opened: null, events: [] })
})

test('a submission listener gets one that is made once', () => {
  const config = load(
    'listeners: [{ address: "127.0.0.1:0", role: submission }]\nstore: { directory: ./made }',
  )
  const first = open(config)
  assert.ok(first.opened !== null && 'context' in first.opened)
  assert.deepEqual(first.events, ['certificate-generated'])
  const text = readFileSync(join(folder, 'made', 'generated-cert.pem'), 'utf8')
  assert.deepEqual(open(config).events, [])
  assert.equal(readFileSync(join(folder, 'made', 'generated-cert.pem'), 'utf8'), text)
})

test('the administrator’s own is used', () => {
  const { certificate, key } = selfSigned('mx.example.test', Date.now(), 10)
  writeFileSync(join(folder, 'cert.pem'), certificate, { mode: 0o600 })
  writeFileSync(join(folder, 'key.pem'), key, { mode: 0o600 })
  const { opened, events } = open(load('tls: { certificate: cert.pem, key: key.pem }'))
  assert.ok(opened !== null && 'context' in opened)
  assert.deepEqual(events, [])
})

test('when the administrator’s own is no good, the worker starts all the same', () => {
  const { opened, events } = open(load('tls: { certificate: cert.pem, key: nowhere.pem }'))
  assert.ok(opened !== null && 'context' in opened)
  assert.deepEqual(events, ['certificate-unfit'])
})

test('a folder in which none can be made is a problem with a remedy', () => {
  writeFileSync(join(folder, 'file'), '')
  const listener = 'listeners: [{ address: "127.0.0.1:0", role: submission }]'
  const { opened } = open(load(`${listener}\nstore: { directory: ./file/below }`))
  assert.ok(opened !== null && 'problems' in opened)
  assert.match(opened.problems[0]?.message ?? '', /^No certificate can be made at .*generated-cert\.pem: /)
  assert.match(opened.problems[0]?.remedy ?? '', /name a certificate and its key under "tls"/)
})
