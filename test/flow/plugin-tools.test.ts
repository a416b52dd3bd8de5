/**
 * A whole gateway whose plugin asks a scanner about every message: over a real connection, with a secret, with what it
 * noted at an earlier hook; counted where an operator looks. Then the plugin is approved, and changed.
 */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { Gateway } from '../support/gateway.ts'
import { message } from '../support/message-bytes.ts'
import { until } from '../support/until.ts'

const SECRET = 'correct-horse-battery'
const CONTENT = message('scanned')
/** Ten times what a delivery takes. */
const DELIVERY_MS = 20_000

interface Scanned {
  readonly authorization: string | undefined
  readonly body: string
}

async function scanner(): Promise<AsyncDisposable & { origin: string; scanned: Scanned[] }> {
  const scanned: Scanned[] = []
  const server = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const { authorization } = request.headers
      scanned.push({ authorization, body: Buffer.concat(pieces).toString('latin1') })
      response.end(`clean, said ${authorization}`)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    scanned,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function scanning(origin: string): string {
  return `import { definePlugin } from 'postern'
export default definePlugin({
  name: 'scan', version: '1.0.0', api: 1,
  permissions: {
    http: ['${origin}'], secrets: ['scan-key'], kv: ['scan:*'],
    'headers.read': true, 'body.read': true, 'headers.write': ['X-Scan'],
  },
  hooks: {
    async rcpt({ localPart }, { notes }) {
      const seen = await notes.get('recipients') ?? []
      await notes.set('recipients', [...seen, localPart])
    },
    async data({ message }, { http, notes, metrics, headers, kv }) {
      const headersSent = { Authorization: 'Bearer secret:scan-key' }
      const options = { method: 'POST', headers: headersSent, body: message }
      const { body } = await http.fetch('${origin}/scan', options)
      metrics.count('scanned', { label: 'clean' })
      try { await kv.get('elsewhere') } catch (error) { metrics.count('error', { label: error.name }) }
      headers.add('X-Scan', (await notes.get('recipients')).join(',') + ' ' + body.replace('‹secret›', 'MASKED'))
    },
  },
})
`
}

test('a scanner hears the message and the secret; the plugin and the mail do not', async () => {
  await using scan = await scanner()
  await using gateway = await Gateway.start()
  gateway.folder.write('scan.ts', scanning(scan.origin))
  gateway.folder.change({
    secrets: { 'scan-key': SECRET },
    plugins: [
      { name: 'relay-control' },
      { path: './scan.ts', grant: { secrets: ['scan-key'], http: [scan.origin] } },
      { name: 'routing' },
    ],
  })
  assert.deepEqual((await gateway.control.reload()).problems, [])
  await gateway.send(['anna@example.test', 'berta@example.test'], CONTENT)
  await until(() => gateway.kept().length === 2, 'both copies', DELIVERY_MS)

  assert.deepEqual(
    scan.scanned.map(({ authorization }) => authorization),
    [`Bearer ${SECRET}`],
  )
  assert.equal(scan.scanned[0]?.body, CONTENT.toString('latin1'))
  const [kept = Buffer.alloc(0)] = gateway.kept()
  assert.match(kept.toString('latin1'), /^X-Scan: anna,berta clean, said Bearer MASKED\r?$/m)
  assert.ok(!kept.includes(SECRET))

  const metrics = await gateway.control.metrics()
  assert.match(metrics, /postern_plugin_counts_total\{plugin="scan",name="scanned",label="clean"\} 1\n/)
  assert.match(metrics, /postern_plugin_counts_total\{.*label="PermissionDenied"\} 1\n/)
  assert.match(metrics, /postern_plugin_denials_total\{plugin="scan",permission="kv"\} 1\n/)
  const [denied] = gateway.logged('plugin-denied')
  assert.equal(denied?.['permission'], 'kv')
  assert.ok(!JSON.stringify(gateway.logged()).includes(SECRET))

  const run = async (...args: string[]) =>
    await gateway.folder.run([...args, '--config', gateway.folder.configFile])
  const shown = await run('config', 'show')
  assert.match(shown.stdout, /scan-key: ‹secret›/)
  const file = gateway.folder.write('scan.ts', scanning(scan.origin))
  assert.equal((await run('plugin', 'approve', file)).code, 0)
  gateway.folder.change({
    plugins: [{ name: 'relay-control' }, { path: './scan.ts' }, { name: 'routing' }],
  })
  assert.deepEqual((await gateway.control.reload()).problems, [], 'what is approved needs no grant')
  gateway.folder.write('scan.ts', `${scanning(scan.origin)}// changed\n`)
  const { isReloaded, problems } = await gateway.control.reload()
  assert.equal(isReloaded, false)
  assert.equal(problems[0]?.code, 'P2012')
  const checked = await run('config', 'check')
  assert.equal(checked.code, 1)
  assert.match(checked.stdout + checked.stderr, /P2012/)
})
