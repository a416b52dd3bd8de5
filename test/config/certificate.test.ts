/** The certificate a configuration names: which listeners have one, and what is said of one that is no good. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { certificateProblems } from '../../config/certificate.ts'
import type { Config } from '../../config/config.ts'
import { parseConfig } from '../../config/load.ts'
import { formatProblem } from '../../config/problem.ts'
import { selfSigned } from '../../core/tls/self-signed.ts'

const NOW = Date.UTC(2026, 5, 1)
const DAY_MS = 86_400_000
const folder = mkdtempSync(join(tmpdir(), 'postern-certificate-'))
after(() => rmSync(folder, { recursive: true }))

const pair = selfSigned('mx.example.test', NOW, 30)
const other = selfSigned('mx.example.test', NOW, 30)
const expired = selfSigned('mx.example.test', NOW - 30 * DAY_MS, 10)
const early = selfSigned('mx.example.test', NOW + 10 * DAY_MS, 30)
const files = {
  'cert.pem': pair.certificate,
  'chain.pem': pair.certificate + other.certificate,
  'key.pem': pair.key,
  'other-key.pem': other.key,
  'expired.pem': expired.certificate,
  'expired-key.pem': expired.key,
  'early.pem': early.certificate,
  'early-key.pem': early.key,
  'text.pem': 'no certificate',
  'encrypted.pem': '-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n',
  'broken.pem': pair.certificate.replace(/\n.{10}/, '\nAAAAAAAAAA'),
}
for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 })

function load(text: string): Config {
  const loaded = parseConfig(text, join(folder, 'postern.yaml'), {})
  assert.ok(loaded.ok, JSON.stringify(loaded))
  return loaded.config
}

function said(certificate: string, key: string): string {
  const config = load(`tls: { certificate: ${certificate}, key: ${key} }`)
  return certificateProblems(config, NOW).map(formatProblem).join('\n').replaceAll(`${folder}/`, '')
}

test('a pair that belongs together has no problem, with a chain behind the certificate or without', () => {
  assert.equal(said('cert.pem', 'key.pem'), '')
  assert.equal(said('chain.pem', 'key.pem'), '')
})

const problems: readonly (readonly [certificate: string, key: string, report: string])[] = [
  [
    'nowhere.pem',
    'key.pem',
    `P1140  postern.yaml:1:6  The certificate nowhere.pem does not exist.
Fix: name a PEM file that this user may read, under "tls.certificate"`,
  ],
  [
    'cert.pem',
    'nowhere.pem',
    `P1140  postern.yaml:1:6  The key nowhere.pem does not exist.
Fix: name a PEM file that this user may read, under "tls.key"`,
  ],
  [
    'cert.pem',
    'other-key.pem',
    `P1141  postern.yaml:1:6  The key other-key.pem does not belong to the certificate cert.pem.
Fix: name the key the certificate was made for; in a chain, its own certificate comes first`,
  ],
  [
    'text.pem',
    'key.pem',
    `P1141  postern.yaml:1:6  There is no certificate in PEM format in text.pem.
Fix: name a file that has a line "-----BEGIN CERTIFICATE-----"`,
  ],
  [
    'broken.pem',
    'key.pem',
    `P1141  postern.yaml:1:6  There is no certificate in PEM format in broken.pem.
Fix: name a file that has a line "-----BEGIN CERTIFICATE-----"`,
  ],
  [
    'cert.pem',
    'cert.pem',
    `P1141  postern.yaml:1:6  There is no key in PEM format in cert.pem.
Fix: name a file that has a line "-----BEGIN PRIVATE KEY-----"`,
  ],
  [
    'cert.pem',
    'encrypted.pem',
    `P1141  postern.yaml:1:6  The key encrypted.pem is encrypted with a passphrase.
Fix: decrypt it (openssl pkey -in KEY -out PLAIN) and keep it readable for this user alone`,
  ],
  [
    'expired.pem',
    'expired-key.pem',
    `P1142  postern.yaml:1:6  The certificate expired.pem expired on 2026-05-12.
Fix: renew it, and name the renewed one`,
  ],
  [
    'early.pem',
    'early-key.pem',
    `P1142  postern.yaml:1:6  The certificate early.pem is not valid before 2026-06-10.
Fix: check the clock of this machine, or name another certificate`,
  ],
]
for (const [certificate, key, report] of problems)
  test(`${certificate} with ${key}: ${report.slice(0, 5)}`, () =>
    assert.equal(said(certificate, key), report))

test('every further certificate is looked at like the first, and said to be where it is', () => {
  const told = (more: string): string => {
    const text = `tls:\n  certificate: cert.pem\n  key: key.pem\n  ${more}`
    return certificateProblems(load(text), NOW).map(formatProblem).join('\n').replaceAll(`${folder}/`, '')
  }
  const good = '{ certificate: chain.pem, key: key.pem }'
  assert.equal(told(`certificates: [${good}]`), '')
  assert.match(
    told(`certificates: [${good}, { certificate: expired.pem, key: expired-key.pem }]`),
    /^P1142 {2}postern\.yaml:4:60 {2}The certificate expired\.pem expired on /,
  )
  assert.match(
    told('certificates: [{ certificate: cert.pem, key: other-key.pem }]'),
    /^P1141 .* other-key\.pem does not belong to the certificate cert\.pem\./,
  )
  assert.equal(told('clientCa: chain.pem'), '')
  assert.match(
    told('clientCa: none.pem'),
    /^P1140 {2}postern\.yaml:4:\d+ {2}The file none\.pem cannot be read \(ENOENT\)\./,
  )
})

test('a certificate that this user may not read is said to be so', (t) => {
  if (process.getuid?.() === 0) return t.skip('root may read everything')
  chmodSync(join(folder, 'key.pem'), 0)
  t.after(() => chmodSync(join(folder, 'key.pem'), 0o600))
  assert.match(said('cert.pem', 'key.pem'), /^P1140 .* key key\.pem may not be read by this user\./)
})

const listening: readonly (readonly [text: string, modes: readonly string[], isGenerated: boolean | null])[] =
  [
    ['listeners: [{ address: "127.0.0.1:25" }]', ['off'], null],
    ['listeners: [{ address: "127.0.0.1:25", tls: off }]', ['off'], null],
    ['listeners: [{ address: "127.0.0.1:25", tls: starttls }]', ['starttls'], true],
    ['listeners: [{ address: "127.0.0.1:465", tls: implicit }]', ['implicit'], true],
    [
      'listeners: [{ address: "127.0.0.1:25" }, { address: "127.0.0.1:587", role: submission }]',
      ['starttls', 'starttls'],
      true,
    ],
    [
      'listeners: [{ address: "127.0.0.1:25", tls: off }, { address: "127.0.0.1:587", role: submission }]',
      ['off', 'starttls'],
      true,
    ],
    ['tls: { certificate: cert.pem, key: key.pem }', ['starttls'], false],
    [
      'tls: { certificate: cert.pem, key: key.pem }\nlisteners: [{ address: "127.0.0.1:465", role: submission, tls: implicit }]',
      ['implicit'],
      false,
    ],
  ]
for (const [text, modes, isGenerated] of listening)
  test(`which listeners offer TLS: ${text}`, () => {
    const config = load(text)
    assert.deepEqual(
      config.listeners.map(({ tls }) => tls),
      modes,
    )
    assert.equal(config.tls?.isGenerated ?? null, isGenerated)
    if (isGenerated === true) assert.equal(config.tls?.key, join(folder, 'var', 'generated-key.pem'))
  })

test('authorities for next servers: every certificate of the file is read', () => {
  const told = (ca: string): string => {
    const problems = certificateProblems(load(`outbound: { tls: { ca: ${ca} } }`), NOW)
    return problems.map(formatProblem).join('\n').replaceAll(`${folder}/`, '')
  }
  const remedy = 'Fix: name a PEM file with certificates of authorities that this user may read'
  const at = 'postern.yaml:1:24'
  assert.equal(told('chain.pem'), '')
  // Authorities that have expired are the business of whoever verifies with them.
  assert.equal(told('expired.pem'), '')
  assert.equal(told('none.pem'), `P1140  ${at}  The file none.pem cannot be read (ENOENT).\n${remedy}`)
  assert.equal(
    told('text.pem'),
    `P1141  ${at}  There is no certificate in PEM format in text.pem.\n${remedy}`,
  )
  assert.equal(
    told('broken.pem'),
    `P1141  ${at}  Certificate 1 of broken.pem cannot be read as one.\n${remedy}`,
  )
})
