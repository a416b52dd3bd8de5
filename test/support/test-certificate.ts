/** A certificate for tests, made once. */
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
  made = { context }
  return made
}
