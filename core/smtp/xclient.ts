/** XCLIENT (Postfix, XCLIENT_README): a proxy that speaks SMTP says who its client is, and the session begins anew. */
import { reply } from '../mail/reply.ts'
import { attributeAddress, attributePort, parseAttributes } from './client-attributes.ts'
import { clientOf } from './client-network.ts'
import type { ClientSession } from './client-session.ts'
import { greeting } from './connect.ts'
import { type ReplyStep, say } from './dialogue-port.ts'
import { refuse } from './refusal.ts'

/** ADDR, PORT and LOGIN count; the others are taken down. HELO is what the client says itself afterwards. */
export const XCLIENT_ATTRIBUTES = ['NAME', 'ADDR', 'PORT', 'PROTO', 'HELO', 'LOGIN', 'DESTADDR', 'DESTPORT']

/** Whether the listener knows the command at all. */
export function mayXclient({ listener }: ClientSession): boolean {
  return (listener.xclient ?? []).length > 0
}

/** Whether whoever connected is one of those that may say it. */
export function offersXclient(client: ClientSession): boolean {
  return client.isPeerIn(client.listener.xclient)
}

export function xclient(client: ClientSession, argument: string): ReplyStep | Promise<ReplyStep> {
  if (!offersXclient(client)) {
    const reason = 'XCLIENT_DENIED'
    const text = 'You may not say who the client is'
    return refuse(client, { hook: 'connect', code: 550, status: '5.7.0', text, reason })
  }
  const attributes = parseAttributes(argument, XCLIENT_ATTRIBUTES)
  if (typeof attributes === 'string') return wrong(attributes)
  const { client: before } = client.facts
  const given = attributes.get('ADDR')
  const address = given ? attributeAddress(given) : before.address
  if (address === null) return wrong('ADDR is no IP address')
  const port = attributes.get('PORT') ? attributePort(attributes.get('PORT') ?? '') : given ? 0 : before.port
  if (port === null) return wrong('PORT is no port')
  client.record.step('xclient', { peer: client.peer, ...Object.fromEntries(attributes) })
  client.becomes(clientOf(address, port), attributes.get('LOGIN') ?? null)
  return greeting(client)
}

function wrong(why: string): ReplyStep {
  return say(reply(501, '5.5.4', `Bad XCLIENT command: ${why}`))
}
