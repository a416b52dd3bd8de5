/** What of smtp-server the server role stands on: it listens, and hands each socket over untouched. */
import assert from 'node:assert/strict'
import { connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { Acceptor } from '../../../core/smtp/acceptor.ts'

test('each connection is handed over once, and nothing was said or read on it before', async () => {
  const { promise, resolve } = Promise.withResolvers<Socket>()
  const acceptor = new Acceptor(resolve)
  const port = await listening(acceptor.server)
  const client = connect({ port, host: '127.0.0.1' })
  client.write('EHLO first\r\n')
  const socket = await promise
  assert.equal(socket.remotePort, client.localPort)
  for (const event of ['data', 'readable', 'timeout', 'error']) assert.equal(socket.listenerCount(event), 0)
  const heard = await new Promise<Buffer>((heardIt) => socket.once('data', heardIt))
  assert.equal(heard.toString(), 'EHLO first\r\n')
  assert.equal(socket.bytesWritten, 0)
  client.destroy()
  socket.destroy()
  await closed(acceptor.server)
})

test('an address that is taken is an error of the server, and ends no process', async () => {
  const first = createServer()
  const port = await listening(first)
  const acceptor = new Acceptor(() => {})
  const error = await new Promise<NodeJS.ErrnoException>((resolve) => {
    acceptor.server.once('error', resolve)
    acceptor.server.listen(port, '127.0.0.1')
  })
  assert.equal(error.code, 'EADDRINUSE')
  await closed(first)
})

function listening(server: Acceptor['server']): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    })
  })
}

function closed(server: Acceptor['server']): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}
