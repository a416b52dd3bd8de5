import assert from 'node:assert/strict'
import { chmod, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ControlRefused, ControlUnreachable, controlClient } from '../../../core/admin/control-client.ts'
import { SESSION, STATUS, serveFake, temporaryFolder } from '../cli/fake-gateway.ts'

test('every method arrives with its arguments and brings its result back', async (t) => {
  const { socket, calls } = await serveFake(t, {
    queueHold: async () => 2,
    explain: async () => SESSION,
  })
  const control = controlClient(socket)
  assert.deepEqual(await control.status(), STATUS)
  assert.deepEqual(await control.gatewayStatus(), STATUS.gateway)
  assert.deepEqual(await control.queueList({ state: 'held' }, 10), [])
  assert.equal(await control.queueRetry({}), 0)
  assert.equal(await control.queueHold({ from: '' }, 'spam'), 2)
  assert.equal(await control.queueRelease({ message: 'q_bcdf' }), 0)
  assert.equal(await control.queueDrop({ route: 'discard:' }), 0)
  assert.deepEqual(await control.explain('r_bcdfghjk'), SESSION)
  assert.match(await control.metrics(), /^# TYPE/)
  assert.equal(await control.stop(), undefined)
  assert.deepEqual(calls, [
    ['status'],
    ['gatewayStatus'],
    ['queueList', { state: 'held' }, 10],
    ['queueRetry', {}],
    ['queueHold', { from: '' }, 'spam'],
    ['queueRelease', { message: 'q_bcdf' }],
    ['queueDrop', { route: 'discard:' }],
    ['explain', 'r_bcdfghjk'],
    ['metrics'],
    ['stop'],
  ])
})

async function failure(path: string): Promise<ControlUnreachable> {
  try {
    await controlClient(path).status()
  } catch (error) {
    assert.ok(error instanceof ControlUnreachable, String(error))
    return error
  }
  throw new Error('somebody answered')
}

/** A server that does `what` with every connection. */
async function serveOdd(t: TestContext, answer: string | null): Promise<string> {
  const path = join(await temporaryFolder(t), 'odd.sock')
  const server = createServer((socket) => {
    socket.on('error', () => {})
    if (answer === null) socket.destroy()
    else socket.end(answer)
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  t.after(() => server.close())
  return path
}

test('without a socket nobody is there, and the message says how to start one', async (t) => {
  const error = await failure(join(await temporaryFolder(t), 'control.sock'))
  assert.equal(error.reason, 'absent')
  assert.match(
    error.message,
    /No gateway is running here.*control\.sock\.\nStart a gateway with `postern start`/,
  )
})

test('a file that is no socket means that nobody is there', async (t) => {
  const path = join(await temporaryFolder(t), 'control.sock')
  await writeFile(path, '')
  assert.equal((await failure(path)).reason, 'absent')
})

test('a path that no socket can have is said before the system cuts it', async () => {
  assert.match((await failure(`/tmp/${'a'.repeat(200)}`)).message, /bytes long/)
})

test('a connection that ends without an answer is no answer', async (t) => {
  assert.equal((await failure(await serveOdd(t, null))).reason, 'silent')
})

test('an answer that is not ours is refused', async (t) => {
  const path = await serveOdd(t, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi')
  await assert.rejects(controlClient(path).status(), (error: unknown) => {
    assert.ok(error instanceof ControlRefused)
    assert.match(error.message, /no Postern gateway/)
    return true
  })
})

test('a refusal carries the message of the gateway', async (t) => {
  const { socket } = await serveFake(t, {
    queueRetry: async () => {
      throw new Error('the store is not available')
    },
  })
  await assert.rejects(controlClient(socket).queueRetry({}), {
    name: 'ControlRefused',
    message: 'the store is not available',
  })
})

test('a socket of another user is forbidden, and the message names the owner', async (t) => {
  const { socket } = await serveFake(t)
  await chmod(dirname(socket), 0o755)
  const uid = process.getuid?.() ?? 0
  // Nothing is closed to root, so root becomes somebody else for a moment; everybody else locks himself out.
  if (uid === 0) process.seteuid?.(65_534)
  else await chmod(socket, 0)
  const error = await failure(socket).finally(() => uid === 0 && process.seteuid?.(0))
  assert.equal(error.reason, 'forbidden')
  assert.match(
    error.message,
    new RegExp(`may not open the control socket .* number ${uid}\\.\nRun the command as`),
  )
})
