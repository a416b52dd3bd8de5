/** What is said to a client network that has used up what it may in ten minutes. Always for now only. */
import type { HookName } from '../mail/hook-events.ts'
import type { ClientSession } from './client-session.ts'
import type { ReplyStep } from './dialogue-port.ts'
import { refuse } from './refusal.ts'
import type { NetworkKind } from './settings.ts'

const WORDS: { readonly [kind in NetworkKind]: string } = {
  connections: 'connections',
  messages: 'messages',
  recipients: 'recipients',
  bytes: 'octets',
  errors: 'errors',
  junk: 'commands without mail',
  unknownRecipients: 'unknown recipients',
  authFailures: 'wrong passwords',
}

/** Ends the connection. */
export function networkUsedUp(client: ClientSession, hook: HookName, kind: NetworkKind): ReplyStep {
  return refuse(client, { ...refusalFor(client, kind), hook, code: 421, status: '4.7.0', closes: true })
}

/** Refuses this command and leaves the connection. */
export function networkFull(client: ClientSession, hook: HookName, kind: NetworkKind): ReplyStep {
  return refuse(client, { ...refusalFor(client, kind), hook, code: 450, status: '4.7.1' })
}

function refusalFor(client: ClientSession, what: NetworkKind) {
  const { network } = client.facts.client
  const text = `Too many ${WORDS[what]} from ${network}, try again in ten minutes`
  return { text, reason: 'NETWORK_LIMIT', facts: { network, what, limit: client.network.limitOf(what) } }
}
