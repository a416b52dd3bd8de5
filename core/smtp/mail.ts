/** MAIL (RFC 5321 §4.1.1.2): opens a transaction. */
import { formatAddress } from '../mail/address.ts'
import { type DsnEnvelope, decodeXtext, takeMailDsn } from '../mail/dsn-parameters.ts'
import { type Reply, reply } from '../mail/reply.ts'
import { isNeed, type Need } from '../mail/session.ts'
import { offersAuth } from './auth.ts'
import type { ClientSession } from './client-session.ts'
import { type ReplyStep, say, sayAndClose } from './dialogue-port.ts'
import { MailTransaction } from './mail-transaction.ts'
import { networkFull } from './network-refusal.ts'
import { overloaded } from './overload.ts'
import { type Parameter, type PathArgument, parsePathArgument } from './path-argument.ts'
import { type CoreRefusal, refuse, refuseFor } from './refusal.ts'

const NO_ROOM: CoreRefusal = {
  hook: 'mail',
  code: 452,
  status: '4.3.1',
  text: 'No room for mail, try again later',
  reason: 'STORE_SHORT',
}
const OK = say(reply(250, '2.1.0', 'Sender accepted'))

export function mail(client: ClientSession, argument: string): ReplyStep | Promise<ReplyStep> {
  const stranger = signInFirst(client)
  if (stranger !== null) return stranger
  const path = parsePathArgument(argument, 'FROM:', null)
  if (!path.ok) return say(syntaxError(path))
  const { address, parameters } = path
  if (address?.domain === '') return say(reply(501, '5.1.7', 'A reverse-path needs a domain'))
  const taken = takeMailDsn(parameters)
  if (!taken.ok) return say(reply(501, '5.5.4', taken.reason))
  const read = readParameters(taken.others, client)
  if ('code' in read) return say(read)
  // What is brought back in the clear is the header alone (RFC 8689 §5).
  const dsn: DsnEnvelope = read.needs.includes('REQUIRETLS') ? { ...taken.dsn, ret: 'HDRS' } : taken.dsn
  const asked = { reversePath: formatAddress(address), ...read, dsn }
  return unavailable(client) ?? tooLarge(client, read.declaredSize) ?? open(client, asked)
}

/** Submission is for people we know (RFC 6409 §4.3); whom we know shows only inside TLS (RFC 8314 §3.3). */
function signInFirst(client: ClientSession): ReplyStep | null {
  const { role, tls, identity } = client.facts
  if (role !== 'submission' || identity !== null) return null
  const [text, reason] =
    tls === null ? ['Issue a STARTTLS command first', 'TLS_REQUIRED'] : ['Sign in first', 'AUTH_REQUIRED']
  return refuse(client, { hook: 'mail', code: 530, status: '5.7.0', text, reason })
}

/** Why no transaction can be opened now, whoever asks. */
function unavailable(client: ClientSession): ReplyStep | null {
  const { service, owed, budget } = client
  const { hostname } = client.policy.settings
  if (service.isDraining) return sayAndClose(reply(421, '4.3.2', `${hostname} is about to stop`))
  if (owed !== null) return refuseFor(client, 'mail', owed)
  if (!budget.mayGoOn) {
    const text = 'Too many messages in one session'
    const facts = { limit: client.limits.messagesPerSession }
    const reason = 'MESSAGES_PER_SESSION'
    return refuse(client, { hook: 'mail', code: 421, status: '4.7.0', text, reason, facts, closes: true })
  }
  // Before a lack of room becomes an overload, so that a client hears which it is and need not go.
  if (service.parts.freeSpace.isShort()) return refuse(client, NO_ROOM)
  const busy = overloaded(client, 'mail')
  if (busy !== null) return busy
  const full = (['messages', 'bytes'] as const).find((kind) => client.network.isFull(kind))
  return full === undefined ? null : networkFull(client, 'mail', full)
}

/** RFC 1870 §6.1: what is announced to be too large need not be sent first. */
function tooLarge(client: ClientSession, declaredSize: number | null): ReplyStep | null {
  const { messageBytes } = client.limits
  if (declaredSize === null || declaredSize <= messageBytes) return null
  const text = `Message larger than ${messageBytes} octets`
  const facts = { declaredSize, limit: messageBytes }
  return refuse(client, { hook: 'mail', code: 552, status: '5.3.4', text, reason: 'MESSAGE_SIZE', facts })
}

/** What stood behind the path, but for DSN. */
interface Parameters {
  readonly declaredSize: number | null
  readonly needs: readonly Need[]
}

/** What stood in the command. */
interface Asked extends Parameters {
  readonly reversePath: string
  readonly dsn: DsnEnvelope
}

async function open(
  client: ClientSession,
  { reversePath, declaredSize, dsn, needs }: Asked,
): Promise<ReplyStep> {
  const { hooks } = client.beginTransaction()
  const transaction = new MailTransaction(++client.transactions, reversePath, declaredSize, dsn, needs)
  for (const left of [client.afterConnect.actions, client.afterHello.actions, client.afterAuth])
    transaction.take(left)
  const event = { session: client.facts, transaction: transaction.snapshot() }
  const { refusal, actions } = await hooks.ask('mail', event, null, client.record)
  if (refusal !== null) {
    client.endTransaction()
    return refuseFor(client, 'mail', refusal, { reversePath })
  }
  transaction.take(actions)
  if (!client.isGone) client.state = { phase: 'transaction', transaction }
  client.record.step('mail', { reversePath, declaredSize, ...(needs.length > 0 ? { needs } : {}) })
  return OK
}

/** SIZE, BODY, AUTH, SMTPUTF8 and REQUIRETLS, or the reply to a bad parameter. */
function readParameters(parameters: readonly Parameter[], client: ClientSession): Parameters | Reply {
  let declaredSize: number | null = null
  const needs: Need[] = []
  for (const { keyword, value } of parameters) {
    if (keyword === 'SIZE') {
      if (value === null || !/^\d{1,20}$/.test(value)) return reply(501, '5.5.4', 'SIZE needs a number')
      declaredSize = Number(value)
    } else if (keyword === 'BODY') {
      if (!/^(?:7BIT|8BITMIME)$/i.test(value ?? '')) return reply(501, '5.5.4', 'BODY is 7BIT or 8BITMIME')
    } else if (keyword === 'AUTH' && offersAuth(client)) {
      // Who wrote it is the client's word, and we take nobody's but our own: as if it were <> (RFC 4954 §5).
      if (value === null || decodeXtext(value) === null)
        return reply(501, '5.5.4', 'AUTH is <> or a mailbox, encoded as xtext')
    } else if (isNeed(keyword) && (keyword === 'SMTPUTF8' || client.facts.tls !== null)) {
      if (value !== null) return reply(501, '5.5.4', `${keyword} has no value`)
      needs.push(keyword)
    } else {
      return reply(555, '5.5.4', `Parameter ${keyword} is not known`)
    }
  }
  return { declaredSize, needs }
}

function syntaxError({ problem, reason }: Extract<PathArgument, { ok: false }>): Reply {
  if (problem === 'non-ascii') return reply(553, '5.6.7', 'This address needs the parameter SMTPUTF8')
  if (problem === 'parameter') return reply(501, '5.5.4', `Bad MAIL command: ${reason}`)
  return reply(501, '5.1.7', `Bad reverse-path: ${reason}`)
}
