/** The door to outgoing HTTP against servers of this machine: addresses, time, size, and what is sent. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createPlainServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { exchangeHttp, HttpFault, type HttpRequest } from '../../core/https.ts'

const LOOPBACK = [{ address: '127.0.0.1', family: 4 }] as const

/** A server that answers as told, and a request to it by a name that only `addresses` knows. */
async function serving(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<AsyncDisposable & { request: HttpRequest }> {
  const server = createServer(handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    request: {
      url: new URL(`http://api.example.test:${port}/check?x=1`),
      method: 'GET',
      headers: { 'X-Id': '7' },
      body: null,
      addresses: LOOPBACK,
      timeoutMs: 5_000,
      maxResponseBytes: 1_000,
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test('a request reaches the address it was given, under the name it has', async () => {
  const seen: unknown[] = []
  await using server = await serving((request, response) => {
    seen.push(request.url, request.headers.host, request.headers['x-id'], request.method)
    response.writeHead(404, { 'X-Why': 'unknown' }).end('nothing here')
  })
  const { status, headers, body } = await exchangeHttp(server.request)
  assert.deepEqual([status, headers['x-why'], Buffer.from(body).toString()], [404, 'unknown', 'nothing here'])
  assert.deepEqual(seen, ['/check?x=1', server.request.url.host, '7', 'GET'])
})

test('a body is streamed with its length', async () => {
  await using server = await serving((request, response) => {
    let got = ''
    request.on('data', (chunk: Buffer) => {
      got += chunk.toString()
    })
    request.on('end', () => response.end(`${request.headers['content-length']} ${got}`))
  })
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('one ')
    yield Buffer.from('two')
  }
  const body = { sizeBytes: 7, chunks: chunks() }
  const response = await exchangeHttp({ ...server.request, method: 'POST', body })
  assert.equal(Buffer.from(response.body).toString(), '7 one two')
})

test('a response may have as much as was allowed and not an octet more', async () => {
  let sizeBytes = 1_000
  await using server = await serving((_, response) => {
    response.end('x'.repeat(sizeBytes))
  })
  assert.equal((await exchangeHttp(server.request)).body.byteLength, 1_000)
  sizeBytes = 1_001
  await assert.rejects(exchangeHttp(server.request), { message: 'a response of more than 1000 octets' })
})

test('a redirect is an answer: nobody is taken anywhere', async () => {
  let requests = 0
  await using server = await serving((_, response) => {
    requests++
    response.writeHead(302, { Location: 'http://127.0.0.1:9/elsewhere' }).end()
  })
  const { status, headers } = await exchangeHttp(server.request)
  assert.deepEqual([status, headers['location'], requests], [302, 'http://127.0.0.1:9/elsewhere', 1])
})

for (const [what, handle] of [
  ['before the response', () => {}],
  ['in the middle of it', (_: IncomingMessage, response: ServerResponse) => void response.write('begun')],
] as const)
  test(`a server that goes silent ${what} is given up`, { timeout: 20_000 }, async () => {
    await using server = await serving(handle)
    await assert.rejects(exchangeHttp({ ...server.request, timeoutMs: 300 }), {
      message: 'no answer within 300 ms',
    })
  })

test('a server that answers before it has the whole body is heard', async () => {
  await using server = await serving((request, response) => {
    response.writeHead(413, { Connection: 'close' }).end('too much')
    request.on('data', () => {})
  })
  const body = { sizeBytes: 3_000_000, chunks: Array.from({ length: 30 }, () => Buffer.alloc(100_000)) }
  const { status } = await exchangeHttp({ ...server.request, method: 'POST', body })
  assert.equal(status, 413)
})

/** A server that writes octets as told, and a request to it. */
async function speaking(speak: (socket: Socket) => void): Promise<AsyncDisposable & { readonly url: URL }> {
  const sockets = new Set<Socket>()
  const server = createPlainServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    speak(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: new URL(`http://api.example.test:${(server.address() as AddressInfo).port}/`),
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function plainRequest(url: URL): HttpRequest {
  const rest = { headers: {}, body: null, addresses: LOOPBACK, timeoutMs: 5_000, maxResponseBytes: 1_000 }
  return { url, method: 'GET', ...rest }
}

test('a server that changes the protocol has not answered', { timeout: 20_000 }, async () => {
  await using server = await speaking((socket) => {
    const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: x', 'Connection: Upgrade', '', '']
    socket.once('data', () => socket.write(lines.join('\r\n')))
  })
  await assert.rejects(exchangeHttp(plainRequest(server.url)), {
    message: 'the server changed to another protocol',
  })
})

test('an answer to an upload nobody reads is heard, and the rest is not sent', {
  timeout: 20_000,
}, async () => {
  await using server = await speaking((socket) => {
    socket.pause()
    const lines = ['HTTP/1.1 401 Unauthorized', 'Connection: close', 'Content-Length: 4', '', 'who?']
    socket.write(lines.join('\r\n'))
  })
  let read = 0
  let hasEnded = false
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      for (; read < 1_000; read++) yield Buffer.alloc(100_000)
    } finally {
      hasEnded = true
    }
  }
  const body = { sizeBytes: 100_000_000, chunks: chunks() }
  const { status, body: said } = await exchangeHttp({ ...plainRequest(server.url), method: 'POST', body })
  assert.deepEqual([status, Buffer.from(said).toString()], [401, 'who?'])
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.ok(hasEnded && read < 900, `${read} pieces`)
})

test('a body that cannot be read is not the fault of the server', { timeout: 20_000 }, async () => {
  await using server = await serving((request) => request.resume())
  const failed = new RangeError('no such piece')
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('one ')
    throw failed
  }
  const asked = { ...server.request, method: 'POST', body: { sizeBytes: 7, chunks: chunks() } }
  await assert.rejects(exchangeHttp(asked), (error) => error === failed)
})

test('octets on the wire count, not only those of the body', { timeout: 20_000 }, async () => {
  await using server = await speaking((socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
      // Six octets for each of the body (RFC 9112 §7.1).
      socket.end(`${'1\r\nx\r\n'.repeat(90_000)}0\r\n\r\n`)
    })
  })
  const asked = { ...plainRequest(server.url), maxResponseBytes: 100_000 }
  await assert.rejects(exchangeHttp(asked), { message: 'a response of more than 100000 octets' })
})

test('trouble is a fault with a reason', async () => {
  await using server = await serving((request) => request.socket.destroy())
  await assert.rejects(exchangeHttp(server.request), (error) => error instanceof HttpFault)
  const closed = { ...server.request, url: new URL('http://api.example.test:1/') }
  await assert.rejects(exchangeHttp(closed), { message: 'ECONNREFUSED' })
  const plain = { ...server.request, url: new URL(server.request.url.href.replace('http:', 'https:')) }
  await assert.rejects(exchangeHttp(plain), (error) => error instanceof HttpFault)
})
