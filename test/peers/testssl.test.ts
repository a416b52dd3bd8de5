/**
 * testssl.sh looks at what the gateway speaks, on a listener of implicit TLS and behind STARTTLS: nothing it calls worse
 * than "low". The certificate comes from an authority of the test's, which testssl.sh is told to trust; what it says of
 * the certificate is listed apart, for a test's authority is in no public log and answers no question.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { Gateway } from '../support/gateway.ts'
import { needing, peerFile, startPeer } from '../support/peer-programs.ts'
import { TemporaryFolder } from '../support/temporary-folder.ts'
import { TestAuthority } from '../support/test-authority.ts'

/** Debian calls the program by either name. */
const PROGRAM = needing('testssl').skip === false ? 'testssl' : 'testssl.sh'
const options = needing(PROGRAM, 'openssl', 'hexdump', 'dig')
const HOST = 'mx.example.test'
/** It opens hundreds of connections, some of which it leaves to time out. */
const PATIENCE_MS = 1_800_000
/** Protocols, ciphers, forward secrecy and the server's defaults; all it knows, which takes minutes, when asked for it. */
const IS_FULL = process.env['POSTERN_TESTSSL'] === 'full'
const CHECKS = ['-p', '-s', '-f', '-S', ...(IS_FULL ? ['-P', '-U'] : ['-R'])]

/** As it rates them. */
const HARMLESS: readonly unknown[] = ['OK', 'INFO', 'LOW', 'WARN', 'DEBUG']
/** What it finds in the certificate itself and in what is published about it. */
const OF_CERTIFICATE = /^(?:cert_?|DNS_CAArecord|OCSP_stapling|certs_)/

interface Finding {
  readonly id: string
  readonly severity: string
  readonly finding: string
}

let folder: TemporaryFolder
let gateway: Gateway
let authority: TestAuthority
before(async () => {
  if (options.skip !== false) return
  folder = await TemporaryFolder.make()
  authority = new TestAuthority(folder.path)
  gateway = await Gateway.start({
    listeners: [
      { address: '127.0.0.1:0', tls: 'starttls' },
      { address: '127.0.0.1:0', role: 'submission', tls: 'implicit' },
    ],
    tls: authority.sign(HOST),
    // One client that connects so often would be sent away.
    limits: 'off',
    users: './users',
  })
})
after(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await folder?.[Symbol.asyncDispose]()
})

async function findings(name: string, listener: 0 | 1): Promise<readonly Finding[]> {
  const report = join(folder.path, `${name}.json`)
  const target = [...(listener === 0 ? ['--starttls', 'smtp'] : []), `${HOST}:${gateway.ports[listener]}`]
  const where = ['--ip', '127.0.0.1', '--nodns', 'none', '--add-ca', authority.file]
  const how = ['--warnings', 'off', '--color', '0', '--jsonfile', report]
  const data = peerFile('etc/testssl')
  const installed = data === null ? {} : { TESTSSL_INSTALL_DIR: data }
  await using group = startPeer(PROGRAM, [...where, ...how, ...CHECKS, ...target], '/', installed)
  const { stdout, stderr } = await group.end(PATIENCE_MS)
  const found = JSON.parse(readFileSync(report, 'utf8')) as readonly Finding[]
  assert.ok(
    found.some(({ id }) => id === 'scanTime'),
    `it did not come to its end:\n${stdout}${stderr}`,
  )
  return found
}

function judge(t: TestContext, found: readonly Finding[]): void {
  const worse = found.filter(({ severity }) => !HARMLESS.includes(severity))
  const ofCertificate = worse.filter(({ id }) => OF_CERTIFICATE.test(id))
  for (const { id, severity, finding } of ofCertificate) t.diagnostic(`${severity} ${id}: ${finding}`)
  assert.deepEqual(
    worse.filter((finding) => !ofCertificate.includes(finding)),
    [],
  )
  const said = (id: string): string | undefined => found.find((one) => one.id === id)?.finding
  // It has seen the server, and the authority was believed.
  assert.match(said('TLS1_3') ?? '', /^offered/)
  assert.match(said('TLS1_2') ?? '', /^offered/)
  assert.equal(said('TLS1_1'), 'not offered')
  assert.match(said('FS') ?? said('PFS') ?? '', /^offered/)
  assert.match(said('cert_chain_of_trust') ?? '', /^passed/)
  assert.match(said('secure_client_renego') ?? '', /^not vulnerable/)
}

// Together, for it waits most of its time.
test('nothing worse than "low"', { ...options, concurrency: true }, async (t) => {
  await Promise.all([
    t.test('in implicit TLS', async (one) => judge(one, await findings('implicit', 1))),
    t.test('behind STARTTLS', async (one) => judge(one, await findings('starttls', 0))),
  ])
})
