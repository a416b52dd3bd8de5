/** The server role: connections by listener, from accept to drain. The wire of each is connection.ts. */
import type { Server, Socket } from 'node:net'
import { newSessionId } from '../observe/identifier.ts'
import { Acceptor } from './acceptor.ts'
import { clientOf } from './client-network.ts'
import type { Listener } from './client-session.ts'
import { Connection } from './connection.ts'
import { Conversation } from './conversation.ts'
import type { PolicyParts } from './policy.ts'
import type { SmtpParts } from './ports.ts'
import { throughProxy } from './proxy-header.ts'
import { SmtpService } from './service.ts'
import { limitsAt } from './settings.ts'
import type { HandshakeTerms } from './tls-socket.ts'

/** The server role: accepts at the listeners attached to it until it is drained. */
export class SmtpServer {
  readonly #service: SmtpService
  readonly #open = new Map<Connection, Listener>()
  readonly #listeners: Listener[] = []
  readonly #closed = Promise.withResolvers<void>()

  constructor(parts: SmtpParts) {
    this.#service = new SmtpService(parts)
  }

  /** Sessions begun, messages accepted and refusals said, since the start. */
  get counters(): { readonly sessions: number; readonly accepted: number; readonly refused: number } {
    return this.#service.counters
  }

  /**
   * A server for `listener` that does not listen yet; every connection it accepts is taken over. To have it listen and to
   * close it is the caller's.
   *
   * @throws when the listener is to offer TLS and there is no certificate
   */
  attach(listener: Listener): Server {
    if (listener.tls !== 'off' && this.#service.policy.tls === null)
      throw new Error(`no certificate for ${listener.address}`)
    this.#listeners.push(listener)
    const { proxy } = listener
    const { log } = this.#service.parts
    const acceptor = new Acceptor((socket) => {
      if (proxy === undefined) this.#converse(socket, listener, socket.remoteAddress, socket.remotePort)
      else
        throughProxy(socket, proxy, log, ({ address, port }) =>
          this.#converse(socket, listener, address, port),
        )
    })
    return acceptor.server
  }

  /** Another policy is in force: for whatever begins from now on. */
  use(policy: PolicyParts): void {
    this.#service.use(policy)
  }

  /** Open connections by listener. */
  listeners(): readonly (Listener & { readonly connections: number })[] {
    const open = [...this.#open.values()]
    return this.#listeners.map((listener) => {
      const connections = open.filter((reached) => reached === listener).length
      return { ...listener, connections }
    })
  }

  /** From now on no transaction begins: sessions end as soon as they have none. Transactions under way finish. */
  drain(): void {
    this.#service.isDraining = true
    for (const connection of this.#open.keys()) connection.leave()
    if (this.#open.size === 0) this.#closed.resolve()
  }

  /** Resolves once `drain` was called and the last session has ended. */
  closed(): Promise<void> {
    return this.#closed.promise
  }

  #converse(socket: Socket, listener: Listener, address?: string, port?: number): void {
    if (address === undefined || port === undefined) {
      // Gone between the kernel's accept and ours.
      socket.on('error', ignore)
      socket.destroy()
      return
    }
    const id = newSessionId()
    const dialogue = new Conversation(this.#service, id, clientOf(address, port), listener)
    const connection = new Connection(socket, {
      dialogue,
      tls: listener.tls === 'implicit' ? 'first' : 'later',
      terms: () => this.#terms(listener),
      limits: limitsAt(listener, this.#service.policy.settings.limits),
      now: () => this.#service.parts.clock.monotonic(),
      ended: () => this.#ended(connection),
    })
    this.#open.set(connection, listener)
    connection.begin()
  }

  #terms({ clientCertificates }: Listener): HandshakeTerms {
    const { tls } = this.#service.policy
    if (tls === null) throw new Error('there is no certificate')
    return { certificate: tls, asksForCertificate: clientCertificates === 'request' }
  }

  #ended(connection: Connection): void {
    this.#open.delete(connection)
    if (this.#service.isDraining && this.#open.size === 0) this.#closed.resolve()
  }
}

function ignore(): void {}
