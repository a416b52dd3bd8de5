/** The handshake on an accepted connection, and what is known of it afterwards. */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { whyNotDomain } from '../mail/address.ts'
import type { TlsFacts } from '../mail/session.ts'
import { clientCertificate } from './client-certificate.ts'
import type { ServerCertificate } from './ports.ts'

/** Longest handshake, however steadily the client sends. RFC 3207 names no time; a command gets five minutes. */
const HANDSHAKE_MS = 30_000
const BINDING_OCTETS = 32

/** What a handshake has brought about. */
export interface SecureChannel {
  readonly facts: TlsFacts
  /** Identifies this connection and no other (`tls-exporter`, RFC 9266); null where nothing does. */
  readonly binding: () => Buffer | null
}

/** What the server brings to it. */
export interface HandshakeTerms {
  readonly certificate: ServerCertificate
  /** Whether the client is asked for a certificate of its own. It need not have one. */
  readonly asksForCertificate: boolean
}

export interface Handshake extends HandshakeTerms {
  /** The patience of the session, when it is less. */
  readonly idleMs: number
  /** Called once, unless the connection ends first. */
  readonly secured: (channel: SecureChannel) => void
  /** An error of TLS or of the socket, before, in or after the handshake: its code. 'close' follows. */
  readonly failed: (cause: string) => void
}

/**
 * Takes over `socket` as the server of a TLS session. Octets of it that were read and not used are taken for the
 * client's part of the handshake, so plaintext among them ends the connection.
 */
export function secureSocket(socket: Socket, handshake: Handshake): TLSSocket {
  const { certificate, asksForCertificate, idleMs, secured, failed } = handshake
  const secure = new TLSSocket(socket, {
    isServer: true,
    secureContext: certificate.context,
    SNICallback: (host, choose) => choose(null, certificate.contextFor(host)),
    // Whoever has none is welcome, and of one that is worth nothing plugins are told.
    ...(asksForCertificate ? { requestCert: true, rejectUnauthorized: false } : {}),
  })
  const end = (cause: string): void => {
    failed(cause)
    secure.destroy()
  }
  const timer = setTimeout(() => end('handshake-timeout'), Math.min(HANDSHAKE_MS, idleMs))
  // Node reports what goes wrong inside TLS with this event alone, as long as no tls.Server owns the socket.
  secure.on('_tlsError', (error: NodeJS.ErrnoException) => end(error.code ?? error.name))
  secure.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.name))
  secure.once('close', () => clearTimeout(timer))
  secure.once('secure', () => {
    clearTimeout(timer)
    const facts = factsOf(secure, certificate)
    secured({ facts, binding: () => bindingOf(secure, facts) })
  })
  return secure
}

function factsOf(socket: TLSSocket, { verifiesClients }: ServerCertificate): TlsFacts {
  const { servername } = socket as { servername?: string | false | null }
  const shown = socket.getPeerX509Certificate()
  return {
    version: socket.getProtocol() ?? 'unknown',
    cipher: socket.getCipher().standardName,
    servername: hostName(servername),
    ...(shown === undefined
      ? {}
      : {
          clientCertificate: clientCertificate(
            shown,
            verifiesClients ? verifyError(socket) : 'NO_AUTHORITIES',
          ),
        }),
  }
}

/** Node.js asks for it itself only where a tls.Server owns the socket. */
function verifyError(socket: TLSSocket): string | null {
  const { ssl } = socket as unknown as {
    readonly ssl: { verifyError(): NodeJS.ErrnoException | null | undefined }
  }
  const error = ssl.verifyError()
  return error === null || error === undefined ? null : (error.code ?? error.message)
}

/** Before 1.3 it takes an extension that Node.js does not tell of (RFC 9266 §2). */
function bindingOf(socket: TLSSocket, { version }: TlsFacts): Buffer | null {
  if (version !== 'TLSv1.3' || socket.destroyed) return null
  return socket.exportKeyingMaterial(BINDING_OCTETS, 'EXPORTER-Channel-Binding', Buffer.of())
}

/** The client's word, and it goes into records: only what can be a host name is kept. */
function hostName(servername: string | false | null | undefined): string | null {
  if (typeof servername !== 'string' || whyNotDomain(servername) !== null) return null
  return servername.toLowerCase()
}
