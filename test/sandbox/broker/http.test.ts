/** `http.fetch`: origins of the permission, addresses on the Internet, secrets that no plugin sees. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertRefused, probe, type RefusedUse, used } from '../../support/probe.ts'
import { TemporaryFolder } from '../../support/temporary-folder.ts'

const SECRET = 'correct-horse-battery'
const URL = 'https://api.example.test/v1/check'

const http = { [URL]: { status: 201, headers: { 'x-seen': 'yes' }, body: '{"ok":true}' } }
const permissions = { http: ['https://api.example.test'] }

test('a request is sent as it was written, and its answer comes back', async () => {
  const use = `tools.http.fetch('${URL}', { method: 'POST', headers: { 'X-Id': '7' }, body: 'héllo' })`
  const { result, requests } = await used(use, { permissions, http })
  assert.deepEqual(result, { value: { status: 201, headers: { 'x-seen': 'yes' }, body: '{"ok":true}' } })
  assert.deepEqual(requests, [{ url: URL, method: 'POST', headers: { 'X-Id': '7' }, body: 'héllo' }])
})

test('a large body crosses the border whole', async () => {
  const use = `tools.http.fetch('${URL}', { method: 'POST', body: '<>'.repeat(131072) })`
  const { requests } = await used(use, { permissions, http })
  assert.equal(requests[0]?.body.length, 262_144)
})

const refused: readonly RefusedUse[] = [
  ['another host', `tools.http.fetch('https://other.example/')`, /^PermissionDenied: .*other\.example/],
  ['another port', `tools.http.fetch('https://api.example.test:8443/')`, /^PermissionDenied/],
  ['another scheme', `tools.http.fetch('http://api.example.test/')`, /^PermissionDenied/],
  ['a file', `tools.http.fetch('file:///etc/passwd')`, /^InvalidArgument: a URL begins with/],
  ['a password in the URL', `tools.http.fetch('https://a:b@api.example.test/')`, /^InvalidArgument/],
  [
    'a header of the connection',
    `tools.http.fetch('${URL}', { headers: { Host: 'x' } })`,
    /^InvalidArgument/,
  ],
  [
    'a second line in a header',
    `tools.http.fetch('${URL}', { headers: { a: 'b\\nc' } })`,
    /^InvalidArgument/,
  ],
  ['a method of its own', `tools.http.fetch('${URL}', { method: 'CONNECT' })`, /^InvalidArgument/],
  ['more time than there is', `tools.http.fetch('${URL}', { timeoutMs: 60000 })`, /^InvalidArgument/],
  ['a server that is silent', `tools.http.fetch('${URL}/silent')`, /^Unavailable/],
  ['a name nobody knows', `tools.http.fetch('https://unknown.example/')`, /^Unavailable/],
]
test('what is no request, or none to a permitted origin, is refused by name', async () => {
  const origins = { http: [...permissions.http, 'https://unknown.example'] }
  const options = { permissions: origins, http: { ...http, [`${URL}/silent`]: 'trouble' } } as const
  await assertRefused(refused, options)
})

for (const address of ['127.0.0.1', '10.1.2.3', '169.254.169.254', '::1', '::ffff:10.0.0.1'])
  test(`a name that leads to ${address} needs a grant`, async () => {
    const type = address.includes(':') ? 'AAAA' : 'A'
    const options = { permissions, http, dns: { [`${type} api.example.test`]: [address] } }
    const use = `tools.http.fetch('${URL}')`
    const { result, requests } = await used(use, options)
    assert.equal(Reflect.get(result, 'name'), 'PermissionDenied')
    assert.equal(requests.length, 0)
    const granted = await used(use, { ...options, grant: permissions })
    assert.equal(granted.requests.length, 1)
  })

test('an origin that is a private address needs a grant', async () => {
  const [url, origin] = ['http://127.0.0.1:11333/checkv2', 'http://127.0.0.1:11333']
  const options = { permissions: { http: [origin] }, http: { [url]: {} } }
  const use = `tools.http.fetch('${url}')`
  assert.equal(Reflect.get((await used(use, options)).result, 'name'), 'PermissionDenied')
  const granted = await used(use, { ...options, grant: { http: [origin] } })
  assert.equal(granted.requests[0]?.url, url)
})

test('a megabyte of text comes back; of what is no text only as much as fits a frame', async () => {
  await using folder = await TemporaryFolder.make()
  const answers = {
    [`${URL}/text`]: { body: 'x'.repeat(1024 * 1024) },
    [`${URL}/zeros`]: { body: '\0'.repeat(1024 * 1024) },
  }
  const uses = ['text', 'zeros'].map(
    (path) => `tools.http.fetch('${URL}/${path}').then(({ body }) => body.length)`,
  ) as [string, string]
  const plugin = await probe(folder.path, { permissions, http: answers }, uses)
  assert.deepEqual(await plugin.use(uses[0]), { value: 1024 * 1024 })
  assert.equal(Reflect.get(await plugin.use(uses[1]), 'name'), 'Unavailable')
  assert.deepEqual(await plugin.use(uses[0]), { value: 1024 * 1024 })
  await plugin.close()
})

test('a text that looks like a handle of the message is a text', async () => {
  const use = `tools.http.fetch('${URL}', { method: 'POST', body: 'message' })`
  const { requests } = await used(use, { permissions, http })
  assert.equal(requests[0]?.body, 'message')
})

test('the message is sent as received, to whoever may read it', async () => {
  const message = 'Subject: x\r\n\r\nline\r\n'
  const use = `tools.http.fetch('${URL}', { method: 'POST', body: event.message })`
  const may = { ...permissions, 'headers.read': true, 'body.read': true }
  assert.equal((await used(use, { permissions: may, http }, message)).requests[0]?.body, message)
  const half = await used(use, { permissions: { ...permissions, 'headers.read': true }, http }, message)
  assert.match(JSON.stringify(half.result), /PermissionDenied.*body\.read/)
  assert.equal(half.requests.length, 0)
})

test('a secret goes out and comes back to no plugin, even when a server repeats it', async () => {
  const use = `tools.http.fetch('${URL}', { headers: { Authorization: 'Bearer secret:token' } })`
  const echo = { [URL]: { headers: { 'x-auth': `Bearer ${SECRET}` }, body: `you said ${SECRET}` } }
  const options = { permissions: { ...permissions, secrets: ['token'] }, secrets: { token: SECRET } }
  const { result, requests } = await used(use, { ...options, http: echo })
  assert.equal(requests[0]?.headers['Authorization'], `Bearer ${SECRET}`)
  assert.ok(!JSON.stringify(result).includes(SECRET))
  assert.match(JSON.stringify(result), /you said ‹secret›/)
})

test('of two secrets of which one begins like the other nothing is left', async () => {
  const longer = `${SECRET}-staple`
  const echo = { [URL]: { body: `you said ${longer}` } }
  const secrets = { short: SECRET, long: longer }
  const may = { ...permissions, secrets: ['short', 'long'] }
  const { result } = await used(`tools.http.fetch('${URL}')`, { permissions: may, secrets, http: echo })
  assert.match(JSON.stringify(result), /you said ‹secret›"/)
})

test('a secret that is not asked for is not filled in', async () => {
  const use = `tools.http.fetch('${URL}', { headers: { 'X-Key': 'secret:other' } })`
  const options = { permissions: { ...permissions, secrets: ['token'] }, http }
  const { result, requests } = await used(use, { ...options, secrets: { token: SECRET, other: SECRET } })
  assert.equal(Reflect.get(result, 'name'), 'PermissionDenied')
  assert.equal(requests.length, 0)
})
