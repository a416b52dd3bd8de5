/** HELO and EHLO (RFC 5321 §4.1.1.1): who the client says it is, and what we offer. */
import { whyNotDomain } from '../mail/address.ts'
import { type Reply, reply } from '../mail/reply.ts'
import type { Hello } from '../mail/session.ts'
import { offeredMethods, offersAuth } from './auth.ts'
import type { ClientSession } from './client-session.ts'
import { type ReplyStep, say } from './dialogue-port.ts'
import { refuseFor } from './refusal.ts'
import { offersStartTls } from './starttls.ts'
import { offersXclient, XCLIENT_ATTRIBUTES } from './xclient.ts'
import { offersXforward, XFORWARD_ATTRIBUTES } from './xforward.ts'

export function helo(client: ClientSession, argument: string): ReplyStep | Promise<ReplyStep> {
  return introduce(client, 'HELO', argument)
}

export function ehlo(client: ClientSession, argument: string): ReplyStep | Promise<ReplyStep> {
  return introduce(client, 'EHLO', argument)
}

/** RFC 2033 §4.1: EHLO under another name. */
export function lhlo(client: ClientSession, argument: string): ReplyStep | Promise<ReplyStep> {
  return introduce(client, 'LHLO', argument)
}

function introduce(client: ClientSession, verb: Hello['verb'], name: string): ReplyStep | Promise<ReplyStep> {
  if (name === '') return say(reply(501, '5.5.4', `${verb} needs the name of the client`))
  if (!isName(name)) return say(reply(501, '5.5.4', `${verb} needs a domain name or an address literal`))
  return ask(client, verb, name)
}

/** Underscores and a final dot have no place in a host name, and many a host writes its name with them. */
function isName(text: string): boolean {
  return whyNotDomain(text) === null || whyNotDomain(text.replaceAll('_', 'x').replace(/\.$/, '')) === null
}

/** After a refusal everything is as it was before the command (RFC 5321 §4.1.4). */
async function ask(client: ClientSession, verb: Hello['verb'], name: string): Promise<ReplyStep> {
  const { hooks, settings } = client.policy
  const session = client.factsWith({ verb, name })
  const { refusal, owed, actions } = await hooks.ask('helo', { session }, null, client.record)
  if (refusal !== null) return refuseFor(client, 'helo', refusal)
  client.introduced(session, { owed, actions })
  client.record.step('helo', { verb, name })
  return say(verb === 'HELO' ? reply(250, null, settings.hostname) : offer(client))
}

/** No enhanced status code stands in the replies to HELO and EHLO (RFC 2034 §4). */
function offer(client: ClientSession): Reply {
  const { hostname } = client.policy.settings
  const { messageBytes } = client.limits
  const size = Number.isFinite(messageBytes) ? `SIZE ${messageBytes}` : 'SIZE'
  const lines = [
    hostname,
    'PIPELINING',
    size,
    '8BITMIME',
    'CHUNKING',
    'DSN',
    'SMTPUTF8',
    limitsOffer(client),
    ...(client.facts.tls === null ? [] : ['REQUIRETLS']),
    ...(offersStartTls(client) ? ['STARTTLS'] : []),
    ...(offersAuth(client) ? [`AUTH ${offeredMethods(client).join(' ')}`] : []),
    ...(offersXclient(client) ? [`XCLIENT ${XCLIENT_ATTRIBUTES.join(' ')}`] : []),
    ...(offersXforward(client) ? [`XFORWARD ${XFORWARD_ATTRIBUTES.join(' ')}`] : []),
    'ENHANCEDSTATUSCODES',
  ]
  return { code: 250, status: null, lines }
}

/** RFC 9422: what a client need not find out by being refused. */
function limitsOffer({ limits, facts }: ClientSession): string {
  const messages = facts.trusted ? Number.POSITIVE_INFINITY : limits.messagesPerSession
  const most = Number.isFinite(messages) ? ` MAILMAX=${messages}` : ''
  return `LIMITS${most} RCPTMAX=${limits.recipientsPerMessage}`
}
