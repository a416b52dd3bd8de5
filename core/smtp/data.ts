/** DATA (RFC 5321 §4.1.1.4): takes the message, asks the `data` hook, and hands on what nobody refused. */
import { receivedHops } from '../mail/received.ts'
import { type Reply, reply } from '../mail/reply.ts'
import { accept } from './accept.ts'
import type { ClientSession } from './client-session.ts'
import { type Step, say } from './dialogue-port.ts'
import { type Decide, IncomingMessage } from './receive.ts'
import { MAX_HEADER_BYTES, ReceivedMessage } from './received-message.ts'
import { type CoreRefusal, refuse, refuseFor } from './refusal.ts'

/** RFC 5321 §6.3 wants a large number of hops before a loop is assumed; more than these are only seen in loops. */
const MAX_HOPS = 50

const GO_AHEAD = reply(354, null, 'End data with <CR><LF>.<CR><LF>')

export function data(client: ClientSession): Step {
  const incoming = beginMessage(client, 'DATA')
  if ('code' in incoming) return say(incoming)
  return {
    kind: 'receive',
    reply: GO_AHEAD,
    receiver: { write: (piece) => incoming.write(piece), end: () => incoming.end() },
  }
}

/** Content begins; or the reply that says why it does not. */
export function beginMessage(client: ClientSession, verb: 'DATA' | 'BDAT'): IncomingMessage | Reply {
  if (client.state.phase !== 'transaction') throw new Error(`${verb} outside a transaction`)
  const { transaction } = client.state
  if (transaction.recipients.size === 0)
    return transaction.refused > 0 && client.listener.role !== 'lmtp'
      ? reply(554, '5.5.1', 'No valid recipients')
      : reply(503, '5.5.1', `RCPT must come before ${verb}`)
  client.budget.message()
  const incoming = new IncomingMessage(client, transaction, decide)
  client.state = { phase: 'message', incoming }
  return incoming
}

/** Everything is there and the client waits: core checks, the hook, then acceptance. */
const decide: Decide = async (incoming, content) => {
  const { client, transaction } = incoming
  const { hooks } = client.policy
  const { readChunk } = client.service.parts
  client.network.book('messages')
  client.network.book('bytes', content.kind === 'inline' ? content.bytes.byteLength : content.sizeBytes)
  const message = await ReceivedMessage.open(content, readChunk)
  if (message === null) return refuse(client, HEADER_TOO_LONG)
  const hops = receivedHops(message.header)
  if (hops > MAX_HOPS) return refuse(client, { ...LOOP, facts: { hops, limit: MAX_HOPS } })
  const event = {
    session: client.facts,
    transaction: transaction.snapshot(),
    message: { sizeBytes: message.sizeBytes },
  }
  const { refusal, actions } = await hooks.ask('data', event, message, client.record)
  if (refusal !== null) return refuseFor(client, 'data', refusal)
  transaction.take(actions)
  return accept({ client, transaction, incoming, message })
}

const HEADER_TOO_LONG: CoreRefusal = {
  hook: 'data',
  code: 552,
  status: '5.3.4',
  text: `Message header longer than ${MAX_HEADER_BYTES} octets`,
  reason: 'HEADER_SIZE',
}

const LOOP: CoreRefusal = {
  hook: 'data',
  code: 554,
  status: '5.4.6',
  text: 'Too many hops, this is a mail loop',
  reason: 'HOPS',
}
