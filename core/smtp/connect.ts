/** A client has connected: limits, then the `connect` hook, then the greeting (RFC 5321 §3.1). */
import { reply } from '../mail/reply.ts'
import type { ClientSession } from './client-session.ts'
import type { Admission } from './connection-counts.ts'
import { type ReplyStep, say, sayAndClose } from './dialogue-port.ts'
import { networkUsedUp } from './network-refusal.ts'
import { overloaded } from './overload.ts'
import { type CoreRefusal, refuse, refuseFor } from './refusal.ts'

const UNCOUNTED: CoreRefusal = {
  hook: 'connect',
  code: 421,
  status: '4.3.2',
  text: 'Try again later',
  reason: 'COUNTS_UNAVAILABLE',
  closes: true,
}

const PENALIZED: CoreRefusal = {
  hook: 'connect',
  code: 421,
  status: '4.7.0',
  text: 'Try again in ten minutes',
  reason: 'PLUGIN_DEATHS',
  closes: true,
}

/**
 * What is said first. A refusal stands in the place of the greeting and ends the connection: RFC 5321 would let us
 * wait for QUIT, but nobody we refuse is worth a socket until then.
 */
export async function connect(
  client: ClientSession,
  asked: Admission | Promise<Admission>,
): Promise<ReplyStep> {
  const admission = await known(client, asked)
  if (typeof admission !== 'string') return admission
  if (client.service.isDraining)
    return sayAndClose(reply(421, '4.3.2', `${client.policy.settings.hostname} is about to stop`))
  if (admission !== 'admitted') return overLimit(client, admission)
  const busy = overloaded(client, 'connect')
  if (busy !== null) return busy
  return greeting(client)
}

/** The greeting, once it is known who the client is; a refusal in its place. */
export async function greeting(client: ClientSession): Promise<ReplyStep> {
  await client.network.enter()
  const { closed } = client.network
  if (closed !== null) return networkUsedUp(client, 'connect', closed)
  const { settings, hooks } = client.policy
  if (isPenalized(client)) return refuse(client, PENALIZED)
  const event = { session: client.facts }
  const { refusal, owed, actions } = await hooks.ask('connect', event, null, client.record)
  if (refusal !== null) return refuseFor(client, 'connect', { ...refusal, disconnect: true })
  client.afterConnect = { owed, actions }
  return say(reply(220, null, `${settings.hostname} ESMTP`))
}

/** A limit that cannot be looked up lets nobody in, and nobody is to blame. */
async function known(
  client: ClientSession,
  asked: Admission | Promise<Admission>,
): Promise<Admission | ReplyStep> {
  try {
    return await asked
  } catch (error) {
    const { log } = client.service.parts
    const reason = String(error)
    log.error('local-trouble', { session: client.id, hook: 'connect', trouble: 'unavailable', reason })
    return refuse(client, UNCOUNTED)
  }
}

/** A limit like the others: `limits: off` lifts it, and a trusted client has none. */
function isPenalized({ policy, facts }: ClientSession): boolean {
  const isLimited = policy.settings.limits.connectionsPerNetwork !== Number.POSITIVE_INFINITY
  return isLimited && !facts.trusted && policy.hooks.isPenalized(facts.client.network)
}

function overLimit(client: ClientSession, limit: Exclude<Admission, 'admitted'>): ReplyStep {
  const { network } = client.facts.client
  const text = limit === 'connections' ? 'Too many connections' : `Too many connections from ${network}`
  const reason = limit === 'connections' ? 'CONNECTIONS' : 'CONNECTIONS_PER_NETWORK'
  const facts = { network, limit: client.limits[limit] }
  return refuse(client, { hook: 'connect', code: 421, status: '4.7.0', text, reason, facts, closes: true })
}
