/** Certificates for tests: one that is made once, and those a test makes for a name of its own. */
import { createSecureContext, type SecureContext } from 'node:tls'
import type { ServerCertificate } from '../../core/smtp/ports.ts'
import { secureContext } from '../../core/tls/secure-context.ts'
import { selfSigned } from '../../core/tls/self-signed.ts'

let made: ServerCertificate | null = null

export function testCertificate(): ServerCertificate {
  if (made !== null) return made
  const context = secureContext(selfSigned('mx.example.test', Date.now(), 10), {
    certificate: 'test',
    key: 'test',
  })
  if ('kind' in context) throw new Error(context.message)
  made = { context, contextFor: () => context, verifiesClients: false }
  return made
}

/** A server that is `name` for whoever trusts its certificate: as a server's context, in PEM format, as a client's. */
export interface NamedServer {
  readonly context: SecureContext
  readonly certificate: string
  readonly trust: SecureContext
}

export function namedServer(name: string): NamedServer {
  const { certificate, key } = selfSigned(name, Date.now(), 10)
  return {
    context: createSecureContext({ cert: certificate, key }),
    certificate,
    trust: createSecureContext({ ca: certificate }),
  }
}
