/** A client has connected: limits, then the `connect` hook, then the greeting (RFC 5321 §3.1). */
import { reply } from '../mail/reply.ts'
import type { ClientSession } from './client-session.ts'
import type { Admission } from './connection-counts.ts'
import { type ReplyStep, say, sayAndClose } from './dialogue-port.ts'
import { refuse, refuseFor } from './refusal.ts'

/**
 * What is said first. A refusal stands in the place of the greeting and ends the connection: RFC 5321 would let us
 * wait for QUIT, but nobody we refuse is worth a socket until then.
 */
export async function connect(client: ClientSession, admission: Admission): Promise<ReplyStep> {
  const { parts, isDraining } = client.service
  if (isDraining) return sayAndClose(reply(421, '4.3.2', `${parts.settings.hostname} is about to stop`))
  if (admission !== 'admitted') return overLimit(client, admission)
  const event = { session: client.facts }
  const { refusal, owed, actions } = await parts.hooks.ask('connect', event, null, client.record)
  if (refusal !== null) return refuseFor(client, 'connect', { ...refusal, disconnect: true })
  client.afterConnect = { owed, actions }
  return say(reply(220, null, `${parts.settings.hostname} ESMTP`))
}

function overLimit(client: ClientSession, limit: Exclude<Admission, 'admitted'>): ReplyStep {
  const { network } = client.facts.client
  const text = limit === 'connections' ? 'Too many connections' : `Too many connections from ${network}`
  const reason = limit === 'connections' ? 'CONNECTIONS' : 'CONNECTIONS_PER_NETWORK'
  const facts = { network, limit: client.service.parts.settings.limits[limit] }
  return refuse(client, { hook: 'connect', code: 421, status: '4.7.0', text, reason, facts, closes: true })
}
