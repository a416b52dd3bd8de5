/** XFORWARD (Postfix, XFORWARD_README): whom a content filter had the next message from. For record and log alone. */
import { reply } from '../mail/reply.ts'
import { parseAttributes } from './client-attributes.ts'
import type { ClientSession } from './client-session.ts'
import { type ReplyStep, say } from './dialogue-port.ts'
import { refuse } from './refusal.ts'

export const XFORWARD_ATTRIBUTES = ['NAME', 'ADDR', 'PORT', 'PROTO', 'HELO', 'IDENT', 'SOURCE']

const TAKEN_DOWN = say(reply(250, '2.0.0', 'OK'))

/** Whether the listener knows the command at all. */
export function mayXforward({ listener }: ClientSession): boolean {
  return (listener.xforward ?? []).length > 0
}

/** Whether whoever connected is one of those that may say it. */
export function offersXforward(client: ClientSession): boolean {
  return client.isPeerIn(client.listener.xforward)
}

export function xforward(client: ClientSession, argument: string): ReplyStep {
  if (!offersXforward(client)) {
    const reason = 'XFORWARD_DENIED'
    const text = 'You may not say whom you had it from'
    return refuse(client, { hook: 'mail', code: 550, status: '5.7.0', text, reason })
  }
  const attributes = parseAttributes(argument, XFORWARD_ATTRIBUTES)
  if (typeof attributes === 'string') return say(reply(501, '5.5.4', `Bad XFORWARD command: ${attributes}`))
  const forwarded = Object.fromEntries(attributes)
  client.record.step('xforward', forwarded)
  client.service.parts.log.info('xforward', { session: client.id, forwarded })
  return TAKEN_DOWN
}
