import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { connect, TLSSocket } from 'node:tls'
import type { Log, LogFields } from '../../../core/observe/log.ts'
import type { PemPair } from '../../../core/tls/key-pair.ts'
import { selfSigned } from '../../../core/tls/self-signed.ts'
import { WatchedCertificate } from '../../../core/tls/watched-certificate.ts'

const PATIENCE_MS = 20_000
const DAY_MS = 86_400_000
const NOW = Date.now()
const root = mkdtempSync(join(tmpdir(), 'postern-watched-'))
after(() => rmSync(root, { recursive: true }))
let folders = 0

interface Watched {
  readonly folder: string
  readonly certificate: WatchedCertificate
  readonly lines: { readonly event: string; readonly fields: LogFields }[]
  until(event: string): Promise<LogFields>
}

function watched(prepare = (folder: string): void => put(folder, 'one.example.test')): Watched {
  const folder = join(root, String(++folders))
  mkdirSync(folder)
  prepare(folder)
  const lines: { event: string; fields: LogFields }[] = []
  const write = (event: string, fields: LogFields = {}): void => void lines.push({ event, fields })
  const log: Log = { debug: write, info: write, warn: write, error: write, child: () => log }
  const files = { certificate: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  const standIn = (): PemPair => selfSigned('stand-in.example.test', NOW, 1)
  const certificate = WatchedCertificate.open({ files, log, now: () => NOW, standIn })
  after(() => certificate.close())
  const until = async (event: string): Promise<LogFields> => {
    for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
      const line = lines.find((one) => one.event === event)
      if (line !== undefined) return line.fields
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    throw new Error(`${event} was not logged: ${JSON.stringify(lines)}`)
  }
  return { folder, certificate, lines, until }
}

function put(folder: string, hostname: string, mode = 0o600, madeAt = NOW): void {
  const { certificate, key } = selfSigned(hostname, madeAt, 10)
  for (const [name, text] of [
    ['cert.pem', certificate],
    ['key.pem', key],
  ] as const) {
    writeFileSync(join(folder, `${name}.new`), text)
    chmodSync(join(folder, `${name}.new`), mode)
    renameSync(join(folder, `${name}.new`), join(folder, name))
  }
}

/** The name in the certificate a client is shown, and the protocol spoken. */
async function shown(
  { certificate }: Watched,
  options: { readonly maxVersion?: 'TLSv1.1' | 'TLSv1.2' } = {},
): Promise<readonly [name: string, version: string | null]> {
  const server = createServer((socket) => {
    const secure = new TLSSocket(socket, { isServer: true, secureContext: certificate.context })
    secure.on('error', () => {})
    secure.on('_tlsError', () => secure.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const { port } = server.address() as { port: number }
    return await new Promise((resolve, reject) => {
      const client = connect({
        port,
        host: '127.0.0.1',
        rejectUnauthorized: false,
        minVersion: 'TLSv1',
        ...options,
      })
      client.once('error', reject)
      client.once('secureConnect', () => {
        resolve([String(client.getPeerCertificate().subject.CN), client.getProtocol()])
        client.destroy()
      })
    })
  } finally {
    server.close()
  }
}

test('a renewed pair is shown to the next client', async () => {
  const one = watched()
  assert.deepEqual(await shown(one), ['one.example.test', 'TLSv1.3'])
  put(one.folder, 'two.example.test')
  const { file } = await one.until('certificate-exchanged')
  assert.equal(file, join(one.folder, 'cert.pem'))
  assert.deepEqual(await shown(one), ['two.example.test', 'TLSv1.3'])
  assert.deepEqual(await shown(one, { maxVersion: 'TLSv1.2' }), ['two.example.test', 'TLSv1.2'])
})

test('links that are exchanged are followed, as certbot and volumes of containers have them', async () => {
  const one = watched()
  const { certificate, key } = selfSigned('linked.example.test', NOW, 10)
  mkdirSync(join(one.folder, 'archive'))
  for (const [name, text] of [
    ['cert.pem', certificate],
    ['key.pem', key],
  ] as const) {
    writeFileSync(join(one.folder, 'archive', name), text, { mode: 0o600 })
    symlinkSync(join('archive', name), join(one.folder, `${name}.link`))
    renameSync(join(one.folder, `${name}.link`), join(one.folder, name))
  }
  await one.until('certificate-exchanged')
  assert.equal((await shown(one))[0], 'linked.example.test')
})

test('files that are no good change nothing, are told once, and a good pair behind them is taken', async () => {
  const one = watched()
  writeFileSync(join(one.folder, 'key.pem'), selfSigned('x.example.test', NOW, 10).key)
  const { reason, kept } = await one.until('certificate-not-exchanged')
  assert.match(String(reason), /does not belong to the certificate/)
  assert.equal(kept, 'the one in use')
  assert.equal((await shown(one))[0], 'one.example.test')
  writeFileSync(join(one.folder, 'unrelated'), 'makes the folder change')
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  assert.equal(one.lines.filter(({ event }) => event === 'certificate-not-exchanged').length, 1)
  put(one.folder, 'three.example.test')
  await one.until('certificate-exchanged')
  assert.equal((await shown(one))[0], 'three.example.test')
})

test('a file that is gone changes nothing', async () => {
  const one = watched()
  rmSync(join(one.folder, 'cert.pem'))
  assert.match(String((await one.until('certificate-not-exchanged'))['reason']), /does not exist/)
  assert.equal((await shown(one))[0], 'one.example.test')
})

test('an expired one is shown at the start too, told once, and a renewed one is taken', async () => {
  const one = watched((folder) => put(folder, 'old.example.test', 0o600, NOW - 20 * DAY_MS))
  const { reason, shown: what } = await one.until('certificate-unfit')
  assert.match(String(reason), /expired on/)
  assert.equal(what, 'it all the same')
  assert.equal((await shown(one))[0], 'old.example.test')
  writeFileSync(join(one.folder, 'unrelated'), 'makes the folder change')
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  assert.deepEqual(
    one.lines.map(({ event }) => event),
    ['certificate-unfit'],
  )
  put(one.folder, 'new.example.test')
  await one.until('certificate-exchanged')
  assert.equal((await shown(one))[0], 'new.example.test')
})

const unusable: readonly { readonly name: string; readonly prepare: (folder: string) => void }[] = [
  { name: 'no files', prepare: () => {} },
  {
    name: 'no PEM',
    prepare: (folder) => {
      put(folder, 'one.example.test')
      writeFileSync(join(folder, 'cert.pem'), 'nonsense')
    },
  },
  {
    name: 'half a renewal',
    prepare: (folder) => {
      put(folder, 'one.example.test')
      writeFileSync(join(folder, 'key.pem'), selfSigned('x.example.test', NOW, 10).key)
    },
  },
]
for (const { name, prepare } of unusable)
  test(`with ${name} at the start another stands in until there is a good one`, async () => {
    const one = watched(prepare)
    assert.equal((await one.until('certificate-unfit'))['shown'], 'one made for now')
    assert.equal((await shown(one))[0], 'stand-in.example.test')
    put(one.folder, 'good.example.test')
    await one.until('certificate-exchanged')
    assert.equal((await shown(one))[0], 'good.example.test')
  })

test('what is older than TLS 1.2 is not spoken (RFC 8996)', async () => {
  await assert.rejects(shown(watched(), { maxVersion: 'TLSv1.1' }))
})

for (const [mode, isExposed] of [
  [0o600, false],
  [0o640, false],
  [0o644, true],
  [0o660, true],
] as const)
  test(`a key file of mode ${mode.toString(8)} ${isExposed ? 'is' : 'is not'} warned of`, () => {
    const { lines } = watched((folder) => put(folder, 'one.example.test', mode))
    assert.equal(
      lines.some(({ event }) => event === 'key-file-exposed'),
      isExposed,
    )
  })
