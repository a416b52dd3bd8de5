/**
 * AUTH (RFC 4954). Plugins are asked first; when none of them knows the client, the file of users decides. What the
 * client sent is told to nobody else and stands in no log: a name can be a password typed into the wrong field.
 */
import { acceptedIdentity } from '../hooks/actions.ts'
import type { HookOutcome } from '../hooks/runner.ts'
import type { AuthMethod } from '../mail/hook-events.ts'
import { reply } from '../mail/reply.ts'
import type { ClientSession } from './client-session.ts'
import { type ReplyStep, type Step, say } from './dialogue-port.ts'
import { networkUsedUp } from './network-refusal.ts'
import type { Verification } from './ports.ts'
import { type CoreRefusal, refuse, refuseFor } from './refusal.ts'
import { Exchange, methodNamed } from './sasl.ts'

/** Credentials nobody believed, before the connection ends. */
const MAX_WRONG = 3

const NO_TLS = say(reply(538, '5.7.11', 'Issue a STARTTLS command first'))
const TWICE = say(reply(503, '5.5.1', 'You have signed in already'))
const NO_MECHANISM = say(reply(501, '5.5.4', 'AUTH needs a mechanism and at most one response'))
const UNKNOWN_MECHANISM = say(reply(504, '5.5.4', 'Unknown mechanism'))
const CANCELLED = say(reply(501, '5.7.0', 'Cancelled'))
const SIGNED_IN = say(reply(235, '2.7.0', 'Signed in'))

/** Trouble of ours: the client may be who it says, and is to try again. */
export const AUTH_UNAVAILABLE: Omit<CoreRefusal, 'hook'> = {
  code: 454,
  status: '4.7.0',
  text: 'Signing in is not possible now, try again later',
  reason: 'AUTH_UNAVAILABLE',
}

interface Offered {
  readonly method: AuthMethod
  readonly name: string
  readonly password: string
}

/** Whether clients can sign in at this listener: on submission listeners, when there is somebody to verify it. */
export function mayAuthenticate({ listener, policy }: ClientSession): boolean {
  const { credentials, hooks } = policy
  return listener.role === 'submission' && (credentials !== null || hooks.hasSubscribers('auth'))
}

/** Whether they can do so now. Never in the clear: a client that sees AUTH might not wait for TLS (RFC 4954 §4). */
export function offersAuth(client: ClientSession): boolean {
  return mayAuthenticate(client) && client.facts.tls !== null
}

export function auth(client: ClientSession, argument: string): Step | Promise<Step> {
  const { tls, identity } = client.facts
  if (tls === null) return NO_TLS
  if (identity !== null) return TWICE
  const [name = '', response, ...rest] = argument.split(/ +/)
  if (name === '' || rest.length > 0) return NO_MECHANISM
  const method = methodNamed(name)
  if (method === null) return UNKNOWN_MECHANISM
  const exchange = new Exchange(method)
  return response === undefined ? challenge(client, exchange) : answerChallenge(client, exchange, response)
}

/** Takes what the client answered to a challenge, or sent with its command. */
export function answerChallenge(
  client: ClientSession,
  exchange: Exchange,
  response: string,
): Step | Promise<Step> {
  client.endTransaction()
  if (response === '*') return CANCELLED
  const taken = exchange.take(response)
  const { method } = exchange
  switch (taken.kind) {
    case 'more':
      return challenge(client, exchange)
    case 'malformed':
      return say(reply(501, '5.5.2', taken.text))
    case 'foreign':
      return wrong(client, method)
    case 'credentials':
      return decide(client, { method, name: taken.name, password: taken.password })
  }
}

function challenge(client: ClientSession, exchange: Exchange): ReplyStep {
  if (!client.isGone) client.state = { phase: 'authenticating', exchange }
  return say(reply(334, null, exchange.challenge))
}

async function decide(client: ClientSession, { method, name, password }: Offered): Promise<ReplyStep> {
  const { hooks, credentials } = client.policy
  const event = { session: client.facts, method, identity: name, password }
  const said = await hooks.ask('auth', event, null, client.record)
  if (said.refusal !== null) return refusedByPlugin(client, said.refusal)
  const accepted = acceptedIdentity(said.actions)
  if (accepted !== null) return signedIn(client, method, accepted, said)
  // A plugin that failed may be the one that knows this client.
  if (credentials === null) return said.incomplete ? unavailable(client, method) : wrong(client, method)
  const { network } = client.facts.client
  const verification = await credentials.verify({ name, password, network, signal: client.goneSignal() })
  return verified(client, method, verification, said)
}

function verified(
  client: ClientSession,
  method: AuthMethod,
  verification: Verification,
  said: HookOutcome,
): ReplyStep {
  switch (verification.kind) {
    case 'verified':
      return signedIn(client, method, verification.identity, said)
    case 'wrong':
      return said.incomplete ? unavailable(client, method) : wrong(client, method)
    case 'busy':
    case 'unavailable': {
      const { kind, reason } = verification
      client.service.parts.log.warn('credentials-unavailable', { session: client.id, kind, reason })
      return unavailable(client, method)
    }
  }
}

function signedIn(
  client: ClientSession,
  method: AuthMethod,
  identity: string,
  { actions }: HookOutcome,
): ReplyStep {
  client.signedIn(identity, actions)
  client.record.step('signed-in', { method, identity })
  const { address } = client.facts.client
  client.service.parts.log.info('signed-in', { session: client.id, client: address, method, identity })
  return SIGNED_IN
}

function wrong(client: ClientSession, method: AuthMethod): ReplyStep {
  client.network.book('authFailures')
  if (client.network.isPast('authFailures')) return networkUsedUp(client, 'auth', 'authFailures')
  const isLast = ++client.wrongCredentials >= MAX_WRONG
  const refusal = { hook: 'auth', reason: 'AUTH_WRONG', facts: { method } } as const
  return isLast
    ? refuse(client, {
        ...refusal,
        code: 421,
        status: '4.7.0',
        text: 'Too many wrong attempts',
        closes: true,
      })
    : refuse(client, { ...refusal, code: 535, status: '5.7.8', text: 'Wrong name or password' })
}

function refusedByPlugin(client: ClientSession, refusal: NonNullable<HookOutcome['refusal']>): ReplyStep {
  if (refusal.code === 535) client.network.book('authFailures')
  const isLast = refusal.code === 535 && ++client.wrongCredentials >= MAX_WRONG
  return refuseFor(client, 'auth', isLast ? { ...refusal, code: 421, status: '4.7.0' } : refusal)
}

function unavailable(client: ClientSession, method: AuthMethod): ReplyStep {
  return refuse(client, { ...AUTH_UNAVAILABLE, hook: 'auth', facts: { method } })
}
