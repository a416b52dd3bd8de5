/** Several certificates at one server: which one a client is shown, when they change too (RFC 6066 §3). */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Log, LogFields } from '../../../core/observe/log.ts'
import { namesOf } from '../../../core/tls/certificate-names.ts'
import { selfSigned } from '../../../core/tls/self-signed.ts'
import { ServerCertificates } from '../../../core/tls/server-certificates.ts'
import type { CertificateOptions } from '../../../core/tls/watched-certificate.ts'
import { until } from '../../support/until.ts'

const NOW = Date.now()
const root = mkdtempSync(join(tmpdir(), 'postern-certificates-'))
after(() => rmSync(root, { recursive: true }))

const lines: { readonly event: string; readonly fields: LogFields }[] = []
const write = (event: string, fields: LogFields = {}): void => void lines.push({ event, fields })
const log: Log = { debug: write, info: write, warn: write, error: write, child: () => log }

function put(file: string, hostname: string): void {
  const { certificate, key } = selfSigned(hostname, NOW, 10)
  writeFileSync(join(root, `${file}-key.pem`), key, { mode: 0o600 })
  writeFileSync(join(root, `${file}.pem`), certificate)
}

function options(file: string, hostname: string | null): CertificateOptions {
  if (hostname !== null) put(file, hostname)
  const files = { certificate: join(root, `${file}.pem`), key: join(root, `${file}-key.pem`) }
  return {
    files,
    log,
    now: () => NOW,
    standIn: () => selfSigned('stand-in.test', NOW, 1),
    standInIs: 'other',
  }
}

function opened(first: string, ...others: readonly (string | null)[]): ServerCertificates {
  const certificates = ServerCertificates.open(
    options('first', first),
    others.map((name, index) => options(`other-${index}`, name)),
    [],
  )
  after(() => certificates.close())
  return certificates
}

test('an exact name before a wildcard, the first before those behind it, and the first for all the rest', () => {
  const all = opened('*.example.test', 'mx.example.test', 'other.test', '*.other.test', 'mx.example.test')
  const { context } = all
  const exact = all.contextFor('mx.example.test')
  const other = all.contextFor('other.test')
  const below = all.contextFor('mx.other.test')
  assert.equal(new Set([context, exact, other, below]).size, 4)
  for (const name of ['MX.Example.Test', 'mx.example.test.']) assert.equal(all.contextFor(name), exact, name)
  // A wildcard stands for one label (RFC 9525 §6.3).
  const ofTheFirst = [
    'a.example.test',
    'example.test',
    'a.b.other.test',
    'test',
    '',
    'nobody.test',
    '..',
    'x y',
  ]
  for (const name of ofTheFirst) assert.equal(all.contextFor(name), context, name)
})

test('one that is exchanged is chosen by its new names', async () => {
  const all = opened('first.test', 'before.test')
  assert.notEqual(all.contextFor('before.test'), all.context)
  put('other-0', 'behind.test')
  await until(() => all.contextFor('behind.test') !== all.context, 'the new certificate')
  assert.equal(all.contextFor('before.test'), all.context)
})

test('one that cannot be used is nobody’s until there is a good one', async () => {
  rmSync(join(root, 'other-0.pem'), { force: true })
  lines.length = 0
  const all = opened('first.test', null)
  assert.deepEqual(
    lines.filter(({ event }) => event === 'certificate-unfit').map(({ fields }) => fields['shown']),
    ['other'],
  )
  assert.equal(all.contextFor('stand-in.test'), all.context)
  put('other-0', 'late.test')
  await until(() => all.contextFor('late.test') !== all.context, 'the certificate')
})

test('the names of a certificate are its alternative names that are host names', () => {
  assert.deepEqual([...namesOf(selfSigned('MX.example.test', NOW, 1).certificate)], ['mx.example.test'])
  assert.deepEqual([...namesOf(selfSigned('*.example.test', NOW, 1).certificate)], ['*.example.test'])
  assert.deepEqual([...namesOf(selfSigned('a b', NOW, 1).certificate)], [])
  // What would read as two names is one, and none.
  assert.deepEqual([...namesOf(selfSigned('a.test, DNS:b.test', NOW, 1).certificate)], [])
})
