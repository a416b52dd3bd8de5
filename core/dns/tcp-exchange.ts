/** A query over TCP (RFC 1035 §4.2.2, RFC 7766): one connection, one question, at most 64 KB of answer. */
import { connect } from 'node:net'
import { type Brought, type Errand, errandEnd, nothing } from './exchange.ts'
import { fitOf } from './response.ts'

export async function askOverTcp(errand: Errand): Promise<Brought> {
  const { server, query } = errand
  const { brought, bring } = errandEnd(errand)
  const socket = connect({ host: server.host, port: server.port, noDelay: true })
  const chunks: Buffer[] = []
  let received = 0
  socket.on('error', (error) => bring(nothing(error.message)))
  socket.on('close', () => bring(nothing('the connection was closed before an answer')))
  socket.on('data', (chunk) => {
    chunks.push(chunk)
    received += chunk.length
    const whole = received < 2 ? null : firstMessage(chunks, received)
    if (whole === null) return
    // Nobody but the server can answer here: other capitals are no reason for doubt.
    const doesFit = fitOf(whole, query) !== 'foreign'
    bring(doesFit ? { kind: 'message', message: whole } : nothing('an answer to another question'))
  })
  socket.write(withLength(query.message))
  try {
    return await brought
  } finally {
    socket.destroy()
  }
}

/** The first message when all of it is there. Octets are put together twice at most, however small the chunks. */
function firstMessage(chunks: readonly Buffer[], received: number): Buffer | null {
  const [first = Buffer.alloc(0)] = chunks
  const length = (first.length >= 2 ? first : Buffer.concat(chunks, 2)).readUInt16BE(0)
  return received < 2 + length ? null : Buffer.concat(chunks, 2 + length).subarray(2)
}

function withLength(message: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message])
}
