/** The verbs: what each needs, and who handles it (RFC 5321 §4.1.1, §4.1.4). */
import type { HookName } from '../mail/hook-events.ts'
import { type Reply, reply } from '../mail/reply.ts'
import { auth, mayAuthenticate, offersAuth } from './auth.ts'
import { bdat, isSmallChunk, parseChunk } from './bdat.ts'
import type { ClientSession } from './client-session.ts'
import { data } from './data.ts'
import { type Step, say, sayAndClose } from './dialogue-port.ts'
import { ehlo, helo, lhlo } from './helo.ts'
import { mail } from './mail.ts'
import { rcpt } from './rcpt.ts'
import { mayStartTls, offersStartTls, startTls } from './starttls.ts'
import { mayXclient, offersXclient, xclient } from './xclient.ts'
import { mayXforward, offersXforward, xforward } from './xforward.ts'

export interface Verb {
  /** `no-transaction`: none is open. `ready`: HELO was given, too. `transaction`: MAIL was accepted. `content`: or the message has begun. */
  readonly needs: 'nothing' | 'no-transaction' | 'ready' | 'transaction' | 'content'
  readonly argument: 'none' | 'any'
  /** Carries no mail: only so many of them in a row. */
  readonly isIdle: (argument: string) => boolean
  /** The hook its refusals are booked under. */
  readonly hook: HookName
  /** Whether this listener has it at all. */
  isAvailable(client: ClientSession): boolean
  /** Whether this client may use it now, as far as TLS goes. */
  isOffered(client: ClientSession): boolean
  /** How many octets that are no command follow whatever is said to it. */
  octetsBehind?(argument: string): number
  /** @param argument without the spaces around it */
  run(client: ClientSession, argument: string): Step | Promise<Step>
}

const always = { isAvailable: () => true, isOffered: () => true }
const idle = { ...always, needs: 'nothing', argument: 'any', isIdle: () => true, hook: 'connect' } as const
const hello = { ...idle, hook: 'helo', isAvailable: isSmtp, isOffered: isSmtp } as const
const step = { ...always, argument: 'any', isIdle: () => false } as const

const VERBS: ReadonlyMap<string, Verb> = new Map<string, Verb>([
  ['HELO', { ...hello, run: helo }],
  ['EHLO', { ...hello, run: ehlo }],
  ['LHLO', { ...hello, isAvailable: isLmtp, isOffered: isLmtp, run: lhlo }],
  [
    'STARTTLS',
    {
      ...step,
      needs: 'ready',
      argument: 'none',
      hook: 'helo',
      isAvailable: mayStartTls,
      isOffered: offersStartTls,
      run: startTls,
    },
  ],
  [
    'AUTH',
    {
      ...step,
      needs: 'ready',
      hook: 'auth',
      isAvailable: mayAuthenticate,
      isOffered: offersAuth,
      run: auth,
    },
  ],
  ['MAIL', { ...step, needs: 'ready', hook: 'mail', run: mail }],
  ['RCPT', { ...step, needs: 'transaction', hook: 'rcpt', run: rcpt }],
  ['DATA', { ...step, needs: 'transaction', argument: 'none', hook: 'data', run: data }],
  [
    'BDAT',
    {
      ...step,
      needs: 'content',
      hook: 'data',
      isIdle: isSmallChunk,
      octetsBehind: (argument) => parseChunk(argument)?.octets ?? 0,
      run: bdat,
    },
  ],
  [
    'XCLIENT',
    {
      ...step,
      needs: 'no-transaction',
      hook: 'connect',
      isAvailable: mayXclient,
      isOffered: offersXclient,
      run: xclient,
    },
  ],
  [
    'XFORWARD',
    {
      ...step,
      needs: 'ready',
      hook: 'mail',
      isAvailable: mayXforward,
      isOffered: offersXforward,
      run: xforward,
    },
  ],
  ['RSET', { ...idle, argument: 'none', run: rset }],
  ['NOOP', { ...idle, run: () => NOOP }],
  ['VRFY', { ...idle, run: vrfy }],
  ['HELP', { ...idle, run: help }],
  ['QUIT', { ...idle, argument: 'none', isIdle: () => false, run: quit }],
])

/** Verbs that exist elsewhere and not here, so that nobody takes them for typing errors (RFC 5321 §4.2.4). */
const NOT_IMPLEMENTED: ReadonlySet<string> = new Set('BURL ETRN EXPN SAML SEND SOML TURN'.split(' '))

const NOOP = say(reply(250, '2.0.0', 'OK'))
const RESET = say(reply(250, '2.0.0', 'Reset'))

/** The verb of this name, or the step that says there is none. `line` is the whole command. */
export function findVerb(name: string, line: string, client: ClientSession): Verb | Step {
  const verb = VERBS.get(name)
  if (verb?.isAvailable(client)) return verb
  if (verb !== undefined || NOT_IMPLEMENTED.has(name))
    return say(reply(502, '5.5.1', `${name} is not implemented`))
  const unknown = reply(500, '5.5.2', 'Command not recognized')
  // A web browser sent here by somebody else: nothing it says next was meant for us.
  return / HTTP\/\d/i.test(line) ? sayAndClose(unknown) : say(unknown)
}

/** Why this verb cannot come now (RFC 5321 §4.1.4), null when it can. */
export function outOfOrder({ needs }: Verb, { state, listener }: ClientSession): Reply | null {
  const { phase } = state
  const hello = listener.role === 'lmtp' ? 'LHLO' : 'HELO or EHLO'
  if (needs === 'nothing') return null
  const isIdle = phase === 'greeted' || phase === 'ready'
  if (needs !== 'no-transaction' && phase === 'greeted')
    return reply(503, '5.5.1', `${hello} must come first`)
  if (needs !== 'transaction' && needs !== 'content')
    return isIdle ? null : reply(503, '5.5.1', 'A transaction is open already')
  if (phase === 'transaction' || (phase === 'message' && needs === 'content')) return null
  return reply(503, '5.5.1', phase === 'message' ? 'The message has begun with BDAT' : 'MAIL must come first')
}

/** On an LMTP listener neither HELO nor EHLO is answered positively (RFC 2033 §4.1). */
function isLmtp({ listener }: ClientSession): boolean {
  return listener.role === 'lmtp'
}

function isSmtp(client: ClientSession): boolean {
  return !isLmtp(client)
}

function rset(client: ClientSession): Step {
  client.endTransaction()
  return RESET
}

/** Neither confirmed nor denied: an address list is nobody's business (RFC 5321 §3.5.3, §7.3). */
function vrfy(_client: ClientSession, argument: string): Step {
  return say(
    argument === ''
      ? reply(501, '5.5.4', 'VRFY needs an address')
      : reply(252, '2.1.5', 'Cannot verify, but will accept the message'),
  )
}

function help(client: ClientSession): Step {
  const offered = [...VERBS].filter(([, verb]) => verb.isOffered(client)).map(([name]) => name)
  return say(reply(214, '2.0.0', `${offered.join(' ')}, see RFC 5321`))
}

function quit(client: ClientSession): Step {
  return sayAndClose(reply(221, '2.0.0', `${client.policy.settings.hostname} closes the connection`))
}
