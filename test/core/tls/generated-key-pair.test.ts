import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ensureGenerated } from '../../../core/tls/generated-key-pair.ts'
import { selfSigned } from '../../../core/tls/self-signed.ts'

const NOW = Date.UTC(2026, 5, 1, 12)
const YEAR_MS = 365 * 86_400_000
const folder = mkdtempSync(join(tmpdir(), 'postern-generated-'))
after(() => rmSync(folder, { recursive: true }))
let made = 0
const place = (): { certificate: string; key: string } => {
  const directory = join(folder, String(++made))
  return { certificate: join(directory, 'cert.pem'), key: join(directory, 'key.pem') }
}

for (const hostname of [
  'mail.example.test',
  `${'a'.repeat(63)}.${'b'.repeat(63)}.example.test`,
  'xn--bcher-kva.example',
])
  test(`a certificate for ${hostname} is one, signed with its own key`, () => {
    const { certificate, key } = selfSigned(hostname, NOW, 10)
    const parsed = new X509Certificate(certificate)
    assert.ok(parsed.verify(parsed.publicKey))
    assert.ok(parsed.checkPrivateKey(createPrivateKey(key)))
    assert.equal(parsed.checkHost(hostname), hostname)
    assert.equal(parsed.ca, false)
    assert.equal(parsed.validFromDate.getTime(), NOW - 86_400_000)
    assert.equal(parsed.validToDate.getTime(), NOW + 10 * 86_400_000)
    assert.match(parsed.serialNumber, /^[4-7][0-9A-F]{31}$/)
  })

test('the end of a certificate may lie behind 2049, where the form of a date changes (RFC 5280 §4.1.2.5)', () => {
  const { certificate } = selfSigned('mx.example.test', Date.UTC(2049, 11, 30), 10)
  assert.equal(new X509Certificate(certificate).validToDate.getTime(), Date.UTC(2050, 0, 9))
})

test('two certificates have neither key nor serial number in common', () => {
  const [first, second] = [1, 2].map(() => selfSigned('mx.example.test', NOW, 10))
  assert.notEqual(first?.key, second?.key)
  const serials = [first, second].map((pair) => new X509Certificate(pair?.certificate ?? '').serialNumber)
  assert.notEqual(serials[0], serials[1])
})

test('a pair is made once, for this user alone, and used again', () => {
  const files = place()
  assert.equal(ensureGenerated(files, 'mx.example.test', NOW), true)
  for (const file of Object.values(files)) assert.equal(statSync(file).mode & 0o777, 0o600)
  const before = readFileSync(files.key, 'utf8')
  assert.equal(ensureGenerated(files, 'mx.example.test', NOW + YEAR_MS), false)
  assert.equal(readFileSync(files.key, 'utf8'), before)
})

const damages: Readonly<Record<string, (files: { certificate: string; key: string }) => void>> = {
  'the key is gone': ({ key }) => rmSync(key),
  'the key is another one': ({ key }) => writeFileSync(key, selfSigned('mx.example.test', NOW, 10).key),
  'the certificate is cut': ({ certificate }) =>
    writeFileSync(certificate, readFileSync(certificate).subarray(0, 99)),
}
for (const [what, damage] of Object.entries(damages))
  test(`a new pair is made when ${what}`, () => {
    const files = place()
    ensureGenerated(files, 'mx.example.test', NOW)
    chmodSync(files.key, 0o644)
    damage(files)
    assert.equal(ensureGenerated(files, 'mx.example.test', NOW), true)
    assert.equal(ensureGenerated(files, 'mx.example.test', NOW), false)
    assert.equal(statSync(files.key).mode & 0o777, 0o600)
  })

test('a new pair is made when it has expired, and when the host has another name', () => {
  const files = place()
  ensureGenerated(files, 'mx.example.test', NOW)
  assert.equal(ensureGenerated(files, 'mx.example.test', NOW + 11 * YEAR_MS), true)
  assert.equal(ensureGenerated(files, 'mail.example.test', NOW + 11 * YEAR_MS), true)
})

test('a folder that cannot be made is an error', () => {
  const files = place()
  writeFileSync(join(folder, String(made)), 'a file')
  assert.throws(() => ensureGenerated(files, 'mx.example.test', NOW))
})
