/** The file of users behind a submission listener: real hashes, real threads, real TLS. */
import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { newUser } from '../../../core/credentials/user.ts'
import { setUser } from '../../../core/credentials/users-file.ts'
import { openCredentials } from '../../../core/gateway/credentials.ts'
import { systemClock } from '../../../core/observe/clock.ts'
import type { Log, LogFields } from '../../../core/observe/log.ts'
import { testCertificate } from '../../support/test-certificate.ts'
import { TestServer } from '../smtp/test-server.ts'

const folder = await mkdtemp(join(tmpdir(), 'postern-users-'))
after(() => rm(folder, { recursive: true }))
const plain = (name: string, password: string): string =>
  `AUTH PLAIN ${Buffer.from(`\0${name}\0${password}`).toString('base64')}`

test('the file is asked, followed when it changes, and trouble with it is ours', async (t) => {
  const file = join(folder, 'users')
  const lines: (readonly [string, LogFields])[] = []
  const write = (event: string, fields: LogFields = {}): void => void lines.push([event, fields])
  const log: Log = { debug: write, info: write, warn: write, error: write, child: () => log }
  const credentials = await openCredentials({
    file,
    saltSecretFile: join(folder, 'store', 'salt-secret'),
    log,
    clock: systemClock,
  })
  assert.ok(credentials)
  t.after(() => credentials.close())
  const server = await TestServer.start({
    listener: { role: 'submission', address: '127.0.0.1:465', tls: 'implicit' },
    tls: testCertificate(),
    credentials,
  })
  t.after(() => server.stop())
  const said = async (name: string, password: string): Promise<string> => {
    const client = await server.connect()
    await client.secure()
    await client.reply()
    await client.ask('EHLO client.example')
    return (await client.ask(plain(name, password))).slice(0, 9)
  }

  assert.equal(await said('anna', 'wonderland'), '454 4.7.0')
  const made = newUser('anna', 'wonderland')
  assert.ok(made.ok)
  assert.equal((await setUser(file, made.user)).kind, 'done')
  assert.equal(await said('anna', 'wonderland'), '235 2.7.0')
  assert.equal(await said('anna', 'wonderlamp'), '535 5.7.8')
  assert.equal(await said('bert', 'wonderland'), '535 5.7.8')
  await writeFile(file, 'anna:wonderland\n')
  assert.equal(await said('anna', 'wonderland'), '454 4.7.0')
  await rm(file)
  assert.equal(await said('anna', 'wonderland'), '454 4.7.0')
  assert.equal((await setUser(file, made.user)).kind, 'done')
  await chmod(file, 0o644)
  assert.equal(await said('anna', 'wonderland'), '235 2.7.0')
  const events = lines.map(([event]) => event)
  assert.deepEqual(
    new Set(events),
    new Set(['users-file-missing', 'users-read', 'users-file-unusable', 'users-file-exposed']),
  )
  assert.doesNotMatch(JSON.stringify([lines, server.lines]), /wonderla/)
})

test('without a file there is nobody to ask', async () => {
  const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log } as Log
  assert.equal(await openCredentials({ file: null, saltSecretFile: 'none', log, clock: systemClock }), null)
})
