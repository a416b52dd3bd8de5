/** A query over UDP (RFC 1035 §4.2.1): a socket of its own, so that id and port are both to be guessed (RFC 5452 §9.2). */
import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { type Brought, type Errand, errandEnd, nothing } from './exchange.ts'
import { fitOf, isTruncated } from './response.ts'

/** So many datagrams that answer something else are no accident: somebody is guessing. */
const MAX_FOREIGN = 50
const OVER_TCP: Brought = Object.freeze({ kind: 'over-tcp' })

export async function askOverUdp(errand: Errand): Promise<Brought> {
  const { server, query } = errand
  const { brought, bring } = errandEnd(errand)
  const socket = createSocket(isIPv6(server.host) ? 'udp6' : 'udp4')
  let foreign = 0
  socket.on('error', (error) => bring(nothing(error.message)))
  socket.on('message', (message) => {
    const fit = fitOf(message, query)
    if (fit === 'fits') bring(isTruncated(message) ? OVER_TCP : { kind: 'message', message })
    else if (fit === 'other-case' || ++foreign === MAX_FOREIGN) bring(OVER_TCP)
  })
  // Connected, the kernel drops what comes from elsewhere and reports a closed port.
  socket.connect(server.port, server.host, () => socket.send(query.message))
  try {
    return await brought
  } finally {
    socket.close()
  }
}
