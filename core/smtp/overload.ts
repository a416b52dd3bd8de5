/** Too much to do: new mail is for later, that under way is finished (RFC 5321 §4.2.1). */
import type { HookName } from '../mail/hook-events.ts'
import type { ClientSession } from './client-session.ts'
import type { ReplyStep } from './dialogue-port.ts'
import { refuse } from './refusal.ts'

/** Sends the client away while there is too little of anything; null when there is enough. */
export function overloaded(client: ClientSession, hook: HookName): ReplyStep | null {
  const lacks = client.service.parts.load?.overload() ?? null
  if (lacks === null) return null
  const text = 'Too busy, try again later'
  const facts = { lacks }
  return refuse(client, { hook, code: 421, status: '4.3.2', text, reason: 'OVERLOADED', facts, closes: true })
}
