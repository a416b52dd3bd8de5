/** STARTTLS (RFC 3207): from plaintext to TLS within a connection. */
import { reply } from '../mail/reply.ts'
import type { ClientSession } from './client-session.ts'
import { type Step, say } from './dialogue-port.ts'

const GO_AHEAD = reply(220, '2.0.0', 'Ready to start TLS')
const TWICE = say(reply(503, '5.5.1', 'TLS is active already'))

/** Whether the listener lets a connection begin in the clear and go on in TLS. */
export function mayStartTls({ listener }: ClientSession): boolean {
  return listener.tls === 'starttls'
}

/** Whether it may do so now. */
export function offersStartTls(client: ClientSession): boolean {
  return mayStartTls(client) && client.facts.tls === null
}

export function startTls({ facts }: ClientSession): Step {
  return facts.tls === null ? { kind: 'secure', reply: GO_AHEAD } : TWICE
}
