/** RCPT (RFC 5321 §4.1.1.3): one more recipient. */
import type { TakenAction } from '../hooks/runner.ts'
import { type Address, formatAddress } from '../mail/address.ts'
import { type DsnRecipient, takeRcptDsn } from '../mail/dsn-parameters.ts'
import { type Reply, reply } from '../mail/reply.ts'
import type { ClientSession } from './client-session.ts'
import { type ReplyStep, say } from './dialogue-port.ts'
import type { MailTransaction } from './mail-transaction.ts'
import { networkFull, networkUsedUp } from './network-refusal.ts'
import { type PathArgument, parsePathArgument } from './path-argument.ts'
import { refuse, refuseFor } from './refusal.ts'
import { relayRefusal } from './relay.ts'

/** RFC 3463 §3.2: nobody of this name is here. */
const UNKNOWN_MAILBOX = '5.1.1'
const OK = say(reply(250, '2.1.5', 'Recipient accepted'))

export function rcpt(client: ClientSession, argument: string): ReplyStep | Promise<ReplyStep> {
  if (client.state.phase !== 'transaction') throw new Error('RCPT outside a transaction')
  const { transaction } = client.state
  const step = recipientStep(client, transaction, argument)
  if (!(step instanceof Promise)) return counted(transaction, step)
  return step.then((settled) => counted(transaction, settled))
}

function counted(transaction: MailTransaction, step: ReplyStep): ReplyStep {
  if (step.reply.code >= 400) transaction.refused++
  else transaction.accepted++
  return step
}

function recipientStep(
  client: ClientSession,
  transaction: MailTransaction,
  argument: string,
): ReplyStep | Promise<ReplyStep> {
  const { domains } = client.policy
  const path = parsePathArgument(argument, 'TO:', transaction.needs.includes('SMTPUTF8'))
  if (!path.ok) return say(syntaxError(path))
  if (path.address === null) return say(reply(501, '5.1.3', 'A recipient needs an address'))
  const taken = takeRcptDsn(path.parameters)
  if (!taken.ok) return say(reply(501, '5.5.4', taken.reason))
  if (taken.others.length > 0)
    return say(reply(555, '5.5.4', `Parameter ${taken.others[0]?.keyword} is not known`))
  const { address } = path
  // RFC 5321 §4.5.1: Postmaster without a domain, in any case, is our own.
  const recipient = address.domain === '' ? domains.hostPostmaster : formatAddress(address)
  if (transaction.recipients.has(recipient)) return OK
  if (transaction.recipients.size >= client.limits.recipientsPerMessage) return tooMany(client, recipient)
  if (client.network.isFull('recipients')) return networkFull(client, 'rcpt', 'recipients')
  if (address.domain === '' || domains.isPostmaster(address.localPart, address.domain)) {
    transaction.addRecipient(recipient, taken.dsn)
    client.record.step('postmaster', { recipient })
    return OK
  }
  return ask(client, transaction, address, { recipient, dsn: taken.dsn })
}

async function ask(
  client: ClientSession,
  transaction: MailTransaction,
  { localPart, domain }: Address,
  { recipient, dsn }: { readonly recipient: string; readonly dsn: DsnRecipient },
): Promise<ReplyStep> {
  const { domains, hooks } = client.policy
  const outcome = await hooks.ask(
    'rcpt',
    {
      session: client.facts,
      transaction: transaction.snapshot(),
      recipient,
      localPart,
      domain: { name: domain, ours: domains.isOurs(domain) },
    },
    null,
    client.record,
  )
  if (outcome.refusal !== null) {
    if (outcome.refusal.status === UNKNOWN_MAILBOX) client.network.book('unknownRecipients')
    if (client.network.isPast('unknownRecipients')) return networkUsedUp(client, 'rcpt', 'unknownRecipients')
    return refuseFor(client, 'rcpt', outcome.refusal, { recipient })
  }
  const denied = relayRefusal(client, recipient, outcome)
  if (denied !== null) return denied
  client.network.book('recipients')
  transaction.addRecipient(recipient, dsn)
  transaction.take(outcome.actions.map((taken) => forRecipient(taken, recipient)))
  client.record.step('rcpt', { recipient })
  return OK
}

/** What is discarded at `rcpt` is this recipient's copy; a hold is for the message. */
function forRecipient({ plugin, action }: TakenAction, recipient: string): TakenAction {
  return action.kind === 'discard'
    ? { plugin, action: { ...action, recipients: [recipient] } }
    : { plugin, action }
}

/** 452, so that a client sends the rest in a transaction of its own (RFC 5321 §4.5.3.1.10). */
function tooMany(client: ClientSession, recipient: string): ReplyStep {
  const facts = { recipient, limit: client.limits.recipientsPerMessage }
  const text = 'Too many recipients'
  return refuse(client, { hook: 'rcpt', code: 452, status: '4.5.3', text, reason: 'RECIPIENTS', facts })
}

function syntaxError({ problem, reason }: Extract<PathArgument, { ok: false }>): Reply {
  if (problem === 'non-ascii') return reply(553, '5.6.7', 'This address needs SMTPUTF8 at MAIL')
  if (problem === 'parameter') return reply(501, '5.5.4', `Bad RCPT command: ${reason}`)
  return reply(501, '5.1.3', `Bad recipient: ${reason}`)
}
