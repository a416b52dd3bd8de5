/** Refusals: booked, logged once with the reply sent, and said with their reference. */
import type { HookRefusal } from '../hooks/runner.ts'
import type { Facts } from '../mail/answer.ts'
import type { HookName } from '../mail/hook-events.ts'
import { reply } from '../mail/reply.ts'
import type { ClientSession } from './client-session.ts'
import { type ReplyStep, say, sayAndClose } from './dialogue-port.ts'
import { tellOfRefusal } from './security.ts'

/** A refusal of the core's own. */
export interface CoreRefusal {
  readonly hook: HookName
  readonly code: number
  readonly status: string
  readonly text: string
  /** Stable, as in a plugin's answer: `RELAY_NOT_GRANTED`. */
  readonly reason: string
  readonly facts?: Facts
  /** The connection ends with the reply. */
  readonly closes?: boolean
}

/** Room for the reference behind the longest text in one reply line. */
const MAX_TEXT = 400

/** Refuses on the core's own account. */
export function refuse(client: ClientSession, refusal: CoreRefusal): ReplyStep {
  const { hook, code, status, text, reason, facts = {}, closes = false } = refusal
  const reference = client.record.refused(hook, status, text, reason, facts)
  tellOfRefusal(client, reason)
  return told(client, hook, { plugin: 'core', code, status, text, reference, disconnect: closes }, facts)
}

/** Tells the client what a plugin decided; it is in the record already. `facts` are for the log. */
export function refuseFor(
  client: ClientSession,
  hook: HookName,
  refusal: HookRefusal,
  facts: Facts = {},
): ReplyStep {
  return told(client, hook, refusal, facts)
}

function told(client: ClientSession, hook: HookName, refusal: HookRefusal, facts: Facts): ReplyStep {
  const { plugin, code, status, text, reference, disconnect } = refusal
  client.refused++
  client.service.counters.refused++
  client.service.parts.log.info('refused', {
    session: client.id,
    client: client.facts.client.address,
    hook,
    plugin,
    reply: `${code} ${status}`,
    text,
    reference,
    ...facts,
  })
  const answer = reply(code, status, `${text.slice(0, MAX_TEXT)} (${reference})`)
  return disconnect || code === 421 ? sayAndClose(answer) : say(answer)
}
