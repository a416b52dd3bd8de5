import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { MAX_BODY_BYTES, serveControl } from '../../../core/admin/control-server.ts'
import { silentLog } from '../../../core/observe/log.ts'
import { fakeControl, serveFake, temporaryFolder } from '../cli/fake-gateway.ts'

interface Answer {
  readonly status: number
  readonly body: { readonly result?: unknown; readonly error?: { readonly message: string } }
}

async function ask(
  socketPath: string,
  path: string,
  body: string | Buffer,
  method = 'POST',
): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, path, method, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Answer['body'] }),
      )
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

test('a method is called with the arguments of the request', async (t) => {
  const { socket, calls } = await serveFake(t, { queueRetry: async () => 3 })
  const answer = await ask(socket, '/v1/queueRetry', '[{"to":"@example.test"}]')
  assert.deepEqual(answer, { status: 200, body: { result: 3 } })
  assert.deepEqual(calls, [['queueRetry', { to: '@example.test' }]])
})

test('a method without a result answers null', async (t) => {
  const { socket } = await serveFake(t)
  assert.deepEqual(await ask(socket, '/v1/stop', '[]'), { status: 200, body: { result: null } })
})

test('the socket is made for its owner alone, whatever the umask, and is gone after close', async (t) => {
  const path = join(await temporaryFolder(t), 'control.sock')
  const umask = process.umask(0)
  const served = await serveControl(fakeControl(), path, silentLog).finally(() => process.umask(umask))
  assert.ok(served.ok)
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.equal(process.umask(), umask)
  await served.server.close()
  assert.equal(existsSync(path), false)
})

test('the folder of the socket is made when there is none', async (t) => {
  const path = join(await temporaryFolder(t), 'run', 'control.sock')
  const served = await serveControl(fakeControl(), path, silentLog)
  assert.ok(served.ok)
  await served.server.close()
})

test('a socket left over from a dead process is replaced', async (t) => {
  const path = join(await temporaryFolder(t), 'control.sock')
  const listen = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  const child = spawn(process.execPath, ['-e', listen])
  await new Promise((resolve) => child.once('exit', resolve))
  assert.equal(existsSync(path), true)
  const served = await serveControl(fakeControl(), path, silentLog)
  assert.ok(served.ok)
  await served.server.close()
})

test('a socket somebody still answers at stays, and the problem says so', async (t) => {
  const { socket } = await serveFake(t)
  const served = await serveControl(fakeControl(), socket, silentLog)
  assert.match(served.ok ? '' : served.problem, /Another process answers/)
  assert.equal((await ask(socket, '/v1/status', '[]')).status, 200)
})

test('a file in the place of the socket stays, and the problem names it', async (t) => {
  const path = join(await temporaryFolder(t), 'control.sock')
  await writeFile(path, 'precious')
  const served = await serveControl(fakeControl(), path, silentLog)
  assert.match(served.ok ? '' : served.problem, /control\.sock: a file that is no socket lies there/)
  assert.equal(statSync(path).size, 8)
})

test('a path that no socket can have is a problem with its length', async (t) => {
  const path = join(await temporaryFolder(t), 'a'.repeat(100), 'control.sock')
  const served = await serveControl(fakeControl(), path, silentLog)
  assert.match(served.ok ? '' : served.problem, /bytes long, the system allows 103/)
})

test('a folder that cannot be made is a problem', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'file'), '')
  const served = await serveControl(fakeControl(), join(folder, 'file', 'control.sock'), silentLog)
  assert.match(served.ok ? '' : served.problem, /cannot be made/)
})

const refused: readonly (readonly [
  name: string,
  path: string,
  body: string,
  status: number,
  message: RegExp,
])[] = [
  ['an unknown method', '/v1/shutdown', '[]', 404, /no such method/],
  ['a method every object has', '/v1/constructor', '[]', 404, /no such method/],
  ['another version', '/v2/status', '[]', 404, /no such method/],
  ['a body that is not JSON', '/v1/status', '[', 400, /not valid JSON/],
  ['an empty body', '/v1/status', '', 400, /not valid JSON/],
  ['arguments that are no array', '/v1/status', '{}', 400, /must be a JSON array/],
  ['an argument too many', '/v1/status', '[1]', 400, /expected 0 arguments, found 1/],
  ['an argument too few', '/v1/queueHold', '[{}]', 400, /expected 2 arguments, found 1/],
  ['a filter that is no object', '/v1/queueDrop', '[null]', 400, /filter must be an object/],
  ['a filter that is an array', '/v1/queueDrop', '[[]]', 400, /filter must be an object/],
  ['an unknown filter member', '/v1/queueDrop', '[{"sender":"a"}]', 400, /no member "sender"/],
  ['an inherited filter member', '/v1/queueDrop', '[{"__proto__":{"to":"a"}}]', 400, /no member "__proto__"/],
  ['a filter text that is a number', '/v1/queueDrop', '[{"to":1}]', 400, /to must be a text/],
  ['an empty filter text', '/v1/queueDrop', '[{"to":""}]', 400, /to must be a text/],
  ['a filter text too long', '/v1/queueDrop', `[{"to":"${'a'.repeat(513)}"}]`, 400, /of 1 to 512 characters/],
  ['a state that is none', '/v1/queueDrop', '[{"state":"lost"}]', 400, /state must be one of/],
  ['a limit of 0', '/v1/queueList', '[{},0]', 400, /limit must be a whole number/],
  ['a limit too large', '/v1/queueList', '[{},10001]', 400, /limit must be a whole number/],
  ['a key that is no text', '/v1/explain', '[["r_"]]', 400, /key must be a text/],
]

for (const [name, path, body, status, message] of refused) {
  test(`${name} is refused with ${status} and nothing is called`, async (t) => {
    const { socket, calls } = await serveFake(t)
    const answer = await ask(socket, path, body)
    assert.equal(answer.status, status)
    assert.match(answer.body.error?.message ?? '', message)
    assert.deepEqual(calls, [])
  })
}

test('the longest text and the null reverse-path are taken', async (t) => {
  const { socket, calls } = await serveFake(t)
  const filter = { to: 'a'.repeat(512), from: '' }
  assert.equal((await ask(socket, '/v1/queueRetry', JSON.stringify([filter]))).status, 200)
  assert.deepEqual(calls, [['queueRetry', filter]])
})

test('GET is refused', async (t) => {
  const { socket } = await serveFake(t)
  assert.equal((await ask(socket, '/v1/status', '', 'GET')).status, 405)
})

test('a body of the largest size is read, one octet more is refused', async (t) => {
  const { socket } = await serveFake(t)
  const padded = (bytes: number) => `[]${' '.repeat(bytes - 2)}`
  assert.equal((await ask(socket, '/v1/status', padded(MAX_BODY_BYTES))).status, 200)
  const answer = await ask(socket, '/v1/status', padded(MAX_BODY_BYTES + 1))
  assert.equal(answer.status, 413)
})

test('a body of many megabytes is refused and not kept', async (t) => {
  const { socket } = await serveFake(t)
  assert.equal((await ask(socket, '/v1/status', Buffer.alloc(20_000_000, 0x20))).status, 413)
})

test('a method that fails answers 500 with its message, and the next call is answered', async (t) => {
  const { socket } = await serveFake(t, {
    metrics: async () => {
      throw new Error('the worker is being replaced')
    },
  })
  const answer = await ask(socket, '/v1/metrics', '[]')
  assert.deepEqual(answer, { status: 500, body: { error: { message: 'the worker is being replaced' } } })
  assert.equal((await ask(socket, '/v1/status', '[]')).status, 200)
})

test('what is no HTTP at all, or ends in the middle, does not disturb the server', async (t) => {
  const { socket } = await serveFake(t)
  for (const octets of ['EHLO client\r\n\r\n', 'POST /v1/status HTTP/1.1\r\nContent-Length: 100\r\n\r\n[']) {
    const client = connect(socket)
    client.on('error', () => {})
    client.resume().end(octets)
    await new Promise((resolve) => client.once('close', resolve))
  }
  assert.equal((await ask(socket, '/v1/status', '[]')).status, 200)
})

test('close does not wait for ever for a client that says nothing', async (t) => {
  const path = join(await temporaryFolder(t), 'control.sock')
  const served = await serveControl(fakeControl(), path, silentLog)
  assert.ok(served.ok)
  const client = connect(path)
  client.on('error', () => {})
  await new Promise<void>((resolve) => client.once('connect', resolve))
  client.write('POST /v1/status HTTP/1.1\r\n')
  const beganAt = performance.now()
  await served.server.close()
  assert.ok(performance.now() - beganAt < 5_000)
  client.destroy()
})

test('a folder in the place of the socket is no socket', async (t) => {
  const path = join(await temporaryFolder(t), 'control.sock')
  await mkdir(path)
  const served = await serveControl(fakeControl(), path, silentLog)
  assert.match(served.ok ? '' : served.problem, /no socket lies there/)
})
