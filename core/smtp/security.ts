/** Which refusals are told to those who keep clients away for a while, and of whom. */
import type { SecurityEvent } from '../observe/security-log.ts'
import type { ClientSession } from './client-session.ts'
import type { Violation } from './dialogue-port.ts'

const EVENTS: ReadonlyMap<string, SecurityEvent['event']> = new Map([
  ['AUTH_WRONG', 'auth-fail'],
  ['RELAY_NOT_GRANTED', 'relay-denied'],
  ['XCLIENT_DENIED', 'scan'],
  ['XFORWARD_DENIED', 'scan'],
  ['ERRORS_PER_SESSION', 'flood'],
  ['CONNECTIONS_PER_NETWORK', 'flood'],
  ['NETWORK_LIMIT', 'flood'],
])

/** Told of a refusal of the core's own. */
export function tellOfRefusal(client: ClientSession, reason: string): void {
  const event = EVENTS.get(reason)
  if (event !== undefined) tell(client, event, reason)
}

/** Told of a client that broke the protocol itself. */
export function tellOfViolation(client: ClientSession, violation: Violation): void {
  tell(client, 'scan', violation)
}

/** A client we trust is never told of: nobody wants it kept away. */
function tell(client: ClientSession, event: SecurityEvent['event'], reason: string): void {
  const { id, facts, listener, service } = client
  if (facts.trusted) return
  const { address } = facts.client
  service.parts.security?.tell({ event, address, listener: listener.role, reason, session: id })
}
