/**
 * AUTH (RFC 4954). Plugins are asked first; when none of them knows the client, the file of users decides. What the
 * client sent is told to nobody else and stands in no log: a name can be a password typed into the wrong field.
 */
import { acceptedIdentity } from '../hooks/actions.ts'
import type { HookOutcome } from '../hooks/runner.ts'
import { AUTH_METHODS, type AuthEvent, type AuthMethod } from '../mail/hook-events.ts'
import { reply } from '../mail/reply.ts'
import type { ClientSession } from './client-session.ts'
import { type ReplyStep, type Step, say } from './dialogue-port.ts'
import { networkUsedUp } from './network-refusal.ts'
import type { Verification } from './ports.ts'
import { type CoreRefusal, refuse, refuseFor } from './refusal.ts'
import {
  Acknowledgement,
  type Exchange,
  LoginExchange,
  methodNamed,
  PlainExchange,
  type Taken,
} from './sasl.ts'
import { ScramExchange } from './sasl-scram.ts'
import { TOKEN_ERRORS, TokenExchange } from './sasl-token.ts'

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

/** Whether clients can sign in at this listener: on submission listeners, when there is somebody to verify it. */
export function mayAuthenticate({ listener, policy }: ClientSession): boolean {
  const { credentials, hooks } = policy
  return listener.role === 'submission' && (credentials !== null || hooks.hasSubscribers('auth'))
}

/** Whether they can do so now. Never in the clear: a client that sees AUTH might not wait for TLS (RFC 4954 §4). */
export function offersAuth(client: ClientSession): boolean {
  return mayAuthenticate(client) && client.facts.tls !== null
}

/** The mechanisms, strongest first: proofs where the users file can check them, tokens where a plugin can. */
export function offeredMethods({ policy, channelBinding }: ClientSession): readonly AuthMethod[] {
  const proofs = policy.credentials?.scram?.isPossible === true
  const isOffered: { readonly [method in AuthMethod]: boolean } = {
    'SCRAM-SHA-256-PLUS': proofs && channelBinding !== null,
    'SCRAM-SHA-256': proofs,
    PLAIN: true,
    LOGIN: true,
    OAUTHBEARER: policy.hooks.takesTokens,
    XOAUTH2: policy.hooks.takesTokens,
  }
  return AUTH_METHODS.filter((method) => isOffered[method])
}

export function auth(client: ClientSession, argument: string): Step | Promise<Step> {
  const { tls, identity } = client.facts
  if (tls === null) return NO_TLS
  if (identity !== null) return TWICE
  const [name = '', response, ...rest] = argument.split(/ +/)
  if (name === '' || rest.length > 0) return NO_MECHANISM
  const method = methodNamed(name)
  const exchange = method === null || !offeredMethods(client).includes(method) ? null : begin(client, method)
  if (exchange === null) return UNKNOWN_MECHANISM
  return response === undefined
    ? challenge(client, exchange, exchange.challenge)
    : answerChallenge(client, exchange, response)
}

function begin({ policy, channelBinding }: ClientSession, method: AuthMethod): Exchange | null {
  const scram = policy.credentials?.scram
  switch (method) {
    case 'PLAIN':
      return new PlainExchange()
    case 'LOGIN':
      return new LoginExchange()
    case 'OAUTHBEARER':
    case 'XOAUTH2':
      return new TokenExchange(method)
    case 'SCRAM-SHA-256':
    case 'SCRAM-SHA-256-PLUS': {
      const isBound = method === 'SCRAM-SHA-256-PLUS'
      return scram === undefined ? null : new ScramExchange(scram, { isBound, binding: channelBinding })
    }
  }
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
  return taken instanceof Promise
    ? taken.then((later) => go(client, exchange, later))
    : go(client, exchange, taken)
}

function go(client: ClientSession, exchange: Exchange, taken: Taken): ReplyStep | Promise<ReplyStep> {
  const { method } = exchange
  switch (taken.kind) {
    case 'challenge':
      return challenge(client, exchange, taken.challenge)
    case 'malformed':
      return say(reply(501, '5.5.2', taken.text))
    case 'foreign':
      return wrong(client, method)
    case 'unavailable':
      return verificationUnavailable(client, method, taken)
    case 'decided':
      return taken.say()
    case 'password':
      return decidePassword(client, method, taken)
    case 'token':
      return decideToken(client, exchange, taken)
    case 'proof':
      return decideProof(client, method, taken)
  }
}

function challenge(client: ClientSession, exchange: Exchange, text: string): ReplyStep {
  if (!client.isGone) client.state = { phase: 'authenticating', exchange }
  return say(reply(334, null, text))
}

function ask(client: ClientSession, offered: Omit<AuthEvent, 'session'>): Promise<HookOutcome> {
  return client.policy.hooks.ask('auth', { session: client.facts, ...offered }, null, client.record)
}

async function decidePassword(
  client: ClientSession,
  method: AuthMethod,
  { name, password }: Extract<Taken, { kind: 'password' }>,
): Promise<ReplyStep> {
  const said = await ask(client, { method, identity: name, password, token: null })
  if (said.refusal !== null) return refusedByPlugin(client, said.refusal)
  const accepted = acceptedIdentity(said.actions)
  if (accepted !== null) return signedIn(client, method, accepted, said)
  const { credentials } = client.policy
  // A plugin that failed may be the one that knows this client.
  if (credentials === null) return said.incomplete ? unavailable(client, method) : wrong(client, method)
  const { network } = client.facts.client
  const verification = await credentials.verify({ name, password, network, signal: client.goneSignal() })
  return verified(client, method, verification, said)
}

/** Nobody but plugins knows tokens. A wrong one is answered with a challenge first (RFC 7628 §3.2.3). */
async function decideToken(
  client: ClientSession,
  { method }: Exchange,
  { name, token }: Extract<Taken, { kind: 'token' }>,
): Promise<ReplyStep> {
  const said = await ask(client, { method, identity: name, password: null, token })
  const accepted = acceptedIdentity(said.actions)
  if (said.refusal === null && accepted !== null) return signedIn(client, method, accepted, said)
  if (said.refusal === null && said.incomplete) return unavailable(client, method)
  const refused = said.refusal === null ? wrong(client, method) : refusedByPlugin(client, said.refusal)
  if (refused.reply.code !== 535) return refused
  const error = TOKEN_ERRORS[method === 'XOAUTH2' ? 'XOAUTH2' : 'OAUTHBEARER']
  const heard = new Acknowledgement(
    method,
    error,
    () => true,
    () => refused,
  )
  return challenge(client, heard, heard.challenge)
}

/**
 * A plugin may refuse, or say by which name somebody goes who has proven to know the password. It was told none, so its
 * word cannot stand in for the proof.
 */
async function decideProof(
  client: ClientSession,
  method: AuthMethod,
  { name, finished }: Extract<Taken, { kind: 'proof' }>,
): Promise<ReplyStep> {
  const said = await ask(client, { method, identity: name, password: null, token: null })
  if (said.refusal !== null) return refusedByPlugin(client, said.refusal)
  const { network } = client.facts.client
  const verification = await finished.verify(network, client.goneSignal())
  if (verification.kind !== 'verified') return verified(client, method, verification, said)
  const identity = acceptedIdentity(said.actions) ?? verification.identity
  const heard = new Acknowledgement(
    method,
    finished.serverFinal,
    (base64) => base64 === '' || base64 === '=',
    () => signedIn(client, method, identity, said),
  )
  return challenge(client, heard, heard.challenge)
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
    case 'unavailable':
      return verificationUnavailable(client, method, verification)
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

function verificationUnavailable(
  client: ClientSession,
  method: AuthMethod,
  { kind, reason }: { readonly kind: 'busy' | 'unavailable'; readonly reason: string },
): ReplyStep {
  client.service.parts.log.warn('credentials-unavailable', { session: client.id, kind, reason })
  return unavailable(client, method)
}

function unavailable(client: ClientSession, method: AuthMethod): ReplyStep {
  return refuse(client, { ...AUTH_UNAVAILABLE, hook: 'auth', facts: { method } })
}
