/**
 * One listener: smtp-server listens and hands over each socket at its public `connect()`, before it has said or read
 * anything. Its connection, its TLS and its SASL are not used (docs/decisions/017-own-smtp-wire.md). The only file that
 * knows the package.
 */
import type { Socket } from 'node:net'
import { SMTPServer } from 'smtp-server'

export class Acceptor extends SMTPServer {
  readonly #accepted: (socket: Socket) => void

  /**
   * @param accepted called once for each connection, as the system accepts it; nothing listens to the socket yet, so it
   * must at once
   */
  constructor(accepted: (socket: Socket) => void) {
    // Without a name it asks the system for one, and without `hideSTARTTLS` it warns of a certificate nobody will see.
    super({ name: 'unsaid', logger: false, hideSTARTTLS: true, disableReverseLookup: true, noDelay: true })
    this.#accepted = accepted
    // The same error is an event of `server`, where whoever listens hears it; this one would end the process.
    this.on('error', () => {})
    // Its own listener makes an identifier of random octets that nobody reads, waits a turn of the loop, and does this.
    this.server.removeAllListeners('connection')
    this.server.on('connection', (socket: Socket) => this.connect(socket))
  }

  override connect(socket: Socket): void {
    this.#accepted(socket)
  }
}
