/**
 * A crowd from one address, in a thread of its own: connections that drip an octet a second, and a flood of connections
 * that say something and go, as fast as the server lets them.
 */
import { connect, type Socket } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'

const { port, from, slow, flood } = workerData as {
  readonly port: number
  readonly from: string
  readonly slow: number
  readonly flood: number
}

const DRIP_MS = 1_000
/** After a refusal, so that it is not the machine's own networking that is measured. */
const AGAIN_MS = 20
const DRIPPED = `EHLO ${'x'.repeat(60)}.example\r\n`
const SAID =
  'EHLO client.example\r\nMAIL FROM:<a@client.example>\r\nRCPT TO:<nobody@elsewhere.example>\r\nNOOP\r\nQUIT\r\n'

let connections = 0
let held = 0

function open(begin: (socket: Socket) => void, again: () => void): void {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from })
  socket.on('error', () => {})
  socket.once('connect', () => {
    connections++
    begin(socket)
  })
  socket.once('close', () => setTimeout(again, AGAIN_MS))
  socket.resume()
}

function drip(): void {
  open((socket) => {
    held++
    let at = 0
    const timer = setInterval(() => socket.write(DRIPPED[at++ % DRIPPED.length] as string), DRIP_MS)
    socket.once('close', () => {
      held--
      clearInterval(timer)
    })
  }, drip)
}

function rush(): void {
  open((socket) => {
    // A tenth of them does not wait for the greeting.
    if (connections % 10 === 0) socket.write(SAID)
    else socket.once('data', () => socket.write(SAID))
  }, rush)
}

for (let i = 0; i < slow; i++) drip()
for (let i = 0; i < flood; i++) rush()
setInterval(() => parentPort?.postMessage({ connections, held }), 200)
