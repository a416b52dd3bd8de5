/** One question and one answer over TCP, with real sockets: delimiters, ends, bounds, addresses in order. */
import assert from 'node:assert/strict'
import { createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { exchangeTcp, TcpFault, type TcpRequest } from '../../core/tcp.ts'

/** A server on loopback that does this with every client. */
async function server(serve: (client: Socket) => void) {
  const clients: Socket[] = []
  const listening = createServer({ allowHalfOpen: true }, (client) => {
    clients.push(client.on('error', () => {}))
    serve(client)
  })
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
  const port = (listening.address() as { port: number }).port
  return {
    port,
    [Symbol.dispose]: () => {
      for (const client of clients) client.destroy()
      listening.close()
    },
  }
}

const LOOPBACK = { address: '127.0.0.1', family: 4 } as const

function ask(port: number, more: Partial<TcpRequest> = {}): Promise<string> {
  const request = {
    addresses: [LOOPBACK],
    port,
    chunks: [Buffer.from('PING')],
    end: false,
    until: null,
    maxAnswerBytes: 1_000,
    timeoutMs: 5_000,
    ...more,
  }
  return exchangeTcp(request).then((answer) => Buffer.from(answer).toString())
}

test('an answer ends before its delimiter, however the octets come', async () => {
  using pieces = await server((client) => {
    client.setNoDelay()
    for (const [index, octet] of 'PONG\r\nmore'.split('').entries())
      setTimeout(() => client.write(octet), 5 * index)
  })
  assert.equal(await ask(pieces.port, { until: Buffer.from('\r\n') }), 'PONG')
})

test('without a delimiter an answer ends with the connection, which may be half closed before', async () => {
  using echo = await server((client) => {
    client.pipe(client)
  })
  assert.equal(await ask(echo.port, { end: true }), 'PING')
})

test('an answer that is cut off, too long or too late is none', async () => {
  using cut = await server((client) => {
    client.end('PON')
  })
  await assert.rejects(ask(cut.port, { until: Buffer.from('\n') }), /^Error: the connection ended before/)
  using flood = await server((client) => {
    client.write('x'.repeat(2_000))
  })
  await assert.rejects(ask(flood.port), /an answer of more than 1000 octets/)
  using silent = await server(() => {})
  const before = performance.now()
  await assert.rejects(ask(silent.port, { timeoutMs: 100 }), TcpFault)
  assert.ok(performance.now() - before < 4_000)
})

test('who answers before everything was sent has answered', async () => {
  using hasty = await server((client) => {
    client.once('data', () => client.end('too large\n'))
  })
  const chunks = Array.from({ length: 200 }, () => Buffer.alloc(65_536))
  assert.equal(await ask(hasty.port, { chunks, until: Buffer.from('\n') }), 'too large')
})

test('addresses are tried in their order until one accepts', async () => {
  using echo = await server((client) => {
    client.pipe(client)
  })
  // Nobody listens there: the server is at 127.0.0.1 alone.
  const addresses = [{ address: '127.0.0.2', family: 4 } as const, LOOPBACK]
  assert.equal(await ask(echo.port, { addresses, end: true }), 'PING')
  await assert.rejects(ask(echo.port, { addresses: addresses.slice(0, 1) }), (error) => {
    assert.ok(error instanceof TcpFault)
    assert.equal(error.message, 'ECONNREFUSED')
    return true
  })
})

test('what cannot be read to be sent is told as it was', async () => {
  using silent = await server(() => {})
  const chunks = (async function* () {
    yield Buffer.from('half')
    throw new RangeError('the spool is gone')
  })()
  await assert.rejects(ask(silent.port, { chunks }), /the spool is gone/)
})
