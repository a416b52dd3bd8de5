/**
 * A conversation: one client from greeting to good-bye, behind the seam to the wire. Finds the verb, checks the order,
 * and is the boundary at which faults and bugs become replies.
 */

import { setTimeout } from 'node:timers/promises'
import type { HookName } from '../mail/hook-events.ts'
import { type Reply, reply } from '../mail/reply.ts'
import type { Client } from '../mail/session.ts'
import { AUTH_UNAVAILABLE, answerChallenge } from './auth.ts'
import { ClientSession, type Listener } from './client-session.ts'
import { connect } from './connect.ts'
import type { Admission } from './connection-counts.ts'
import {
  type ChunkStep,
  type Dialogue,
  type ReceiveStep,
  type ReplyStep,
  type Step,
  say,
  type Violation,
} from './dialogue-port.ts'
import { MAX_COMMAND_BYTES, MAX_LINE_BYTES } from './line-limits.ts'
import { networkUsedUp } from './network-refusal.ts'
import { refuse } from './refusal.ts'
import { tellOfViolation } from './security.ts'
import type { SmtpService } from './service.ts'
import type { SecureChannel } from './tls-socket.ts'
import { troubleOf } from './trouble.ts'
import { findVerb, outOfOrder, type Verb } from './verbs.ts'
import { VIOLATIONS } from './violations.ts'

export class Conversation implements Dialogue {
  readonly #client: ClientSession
  readonly #service: SmtpService
  readonly #admission: Admission | Promise<Admission>
  /** Where its connection is counted, whoever the client turns out to be. */
  readonly #network: string
  /** Why we ended the connection; '' when the client did. */
  #ending = ''

  constructor(service: SmtpService, id: string, client: Client, listener: Listener) {
    this.#service = service
    this.#network = client.network
    this.#client = new ClientSession(service, id, client, listener)
    this.#admission = service.connections.enter(
      client.network,
      this.#client.facts.trusted,
      this.#client.limits.connectionsPerNetwork,
    )
    // Said at the greeting, which a client that breaks off its TLS handshake does not live to hear.
    if (this.#admission instanceof Promise) this.#admission.catch(() => {})
    service.counters.sessions++
  }

  async greet(): Promise<ReplyStep> {
    try {
      const step = this.#settled(await connect(this.#client, this.#admission))
      return (await this.#slowed(step, true)) as ReplyStep
    } catch (error) {
      return this.#failed('connect', error)
    }
  }

  command(line: Buffer): Step | Promise<Step> {
    const text = line.toString('latin1')
    const { state } = this.#client
    if (state.phase === 'authenticating')
      return this.#guarded('auth', () => answerChallenge(this.#client, state.exchange, text))
    const space = text.indexOf(' ')
    const name = (space < 0 ? text : text.slice(0, space)).toUpperCase()
    const verb = findVerb(name, text, this.#client)
    if ('kind' in verb) return this.#slowed(this.#counted(verb, 'connect'), false)
    const argument = space < 0 ? '' : withoutSpaces(text.slice(space + 1))
    const step = this.#run(verb, argument)
    const isIdle = verb.isIdle(argument)
    const said =
      step instanceof Promise ? step.then((later) => this.#slowed(later, isIdle)) : this.#slowed(step, isIdle)
    if (verb.octetsBehind === undefined) return said
    const octets = verb.octetsBehind(argument)
    return said instanceof Promise
      ? said.then((later) => this.#behind(octets, later))
      : this.#behind(octets, said)
  }

  /** Octets that come all the same are thrown away before it is said why they are not wanted (RFC 3030 §2). */
  #behind(octets: number, step: Step): Step {
    if (step.kind !== 'reply' || step.closes) return step
    if (octets > 2 * this.#client.limits.messageBytes) return this.#settled({ ...step, closes: true })
    const receiver = { write: () => undefined, end: () => Promise.resolve(step) }
    return { kind: 'chunk', octets, isFirst: true, isLast: true, receiver }
  }

  /** A client that makes mistakes waits for what it hears of them, and for whatever `isAlways` is said slowly. */
  #slowed(step: Step, isAlways: boolean): Step | Promise<Step> {
    const { budget, network, limits } = this.#client
    const { tarpitMs = 0 } = limits
    if (tarpitMs === 0 || step.kind !== 'reply' || step.closes) return step
    if (!isAlways && step.reply.code < 400) return step
    return budget.isStrained || network.isStrained ? setTimeout(tarpitMs, step) : step
  }

  lineLimit(start: string): number {
    const isAuth = this.#client.state.phase === 'authenticating' || /^AUTH /i.test(start)
    return isAuth ? MAX_LINE_BYTES : MAX_COMMAND_BYTES
  }

  secured(channel: SecureChannel): void {
    this.#client.secured(channel)
    this.#client.record.step('tls', { ...channel.facts })
  }

  violated(violation: Violation): Reply {
    this.#ending = violation
    this.#client.record.step('violation', { violation })
    tellOfViolation(this.#client, violation)
    return VIOLATIONS[violation]
  }

  idle(): Reply {
    this.#ending = 'timeout'
    return reply(421, '4.4.2', `${this.#client.policy.settings.hostname} waited too long`)
  }

  farewell(): Reply | null {
    const { phase } = this.#client.state
    if (!this.#service.isDraining || phase === 'transaction' || phase === 'message') return null
    this.#ending = 'draining'
    return reply(421, '4.3.2', `${this.#client.policy.settings.hostname} is about to stop`)
  }

  ended(cause: string): void {
    const client = this.#client
    const { state } = client
    client.left()
    if (state.phase === 'message') void state.incoming.abandon()
    this.#leave()
    const by = this.#ending || cause || 'client'
    client.record.step('disconnected', { by })
    const { clock, log, teller, sessionEnded } = this.#service.parts
    sessionEnded(client.id)
    const durationMs = Math.round(clock.monotonic() - client.startedAt)
    const { facts: session, accepted, refused } = client
    teller.tell({ type: 'disconnected', session, by, accepted, refused, durationMs }, client.record)
    log.info('session-ended', {
      session: client.id,
      client: client.facts.client.address,
      hello: client.facts.hello?.name ?? '',
      accepted,
      refused,
      by,
      durationMs,
    })
  }

  /** Gives back what was taken, or is about to be: the answer may come later than the client's end. */
  #leave(): void {
    const network = this.#network
    const leave = (admission: Admission): void => {
      if (admission === 'admitted') this.#service.connections.leave(network)
    }
    // One that failed took nothing, and was told to whoever was still there.
    if (this.#admission instanceof Promise) this.#admission.then(leave, () => {})
    else leave(this.#admission)
  }

  #run(verb: Verb, argument: string): Step | Promise<Step> {
    const client = this.#client
    if (verb.isIdle(argument)) {
      if (client.budget.idleCommand()) return this.#tooManyErrors(verb.hook)
      client.network.book('junk')
      if (client.network.isPast('junk')) return this.#settled(networkUsedUp(client, verb.hook, 'junk'))
    }
    const wrong = verb.argument === 'none' && argument !== '' ? NO_ARGUMENT : outOfOrder(verb, client)
    if (wrong !== null) return this.#counted(say(wrong), verb.hook)
    return this.#guarded(verb.hook, () => verb.run(client, argument))
  }

  #guarded(hook: HookName, run: () => Step | Promise<Step>): Step | Promise<Step> {
    try {
      const step = run()
      if (!(step instanceof Promise)) return this.#counted(step, hook)
      return step.then(
        (later) => this.#counted(later, hook),
        (error) => this.#failed(hook, error),
      )
    } catch (error) {
      return this.#failed(hook, error)
    }
  }

  /** Permanent errors are the client's doing and are counted; what is transient may be ours. */
  #counted(step: Step, hook: HookName): Step {
    if (step.kind === 'receive' || step.kind === 'chunk') return this.#receiving(step)
    if (step.kind === 'secure') return step
    if (step.reply.code < 500 || step.closes) return this.#settled(step)
    const { budget, network } = this.#client
    if (budget.error()) return this.#tooManyErrors(hook)
    network.book('errors')
    return this.#settled(network.isPast('errors') ? networkUsedUp(this.#client, hook, 'errors') : step)
  }

  /** However the message ends, its transaction ends with it (RFC 5321 §4.1.1.4). */
  #receiving<Taking extends ReceiveStep | ChunkStep>(step: Taking): Taking {
    const { receiver } = step
    const isPart = step.kind === 'chunk' && !step.isLast
    const replies = isPart ? 1 : repliesToData(this.#client)
    const end = async (): Promise<ReplyStep> => {
      let goesOn = false
      try {
        const said = this.#counted(await receiver.end(), 'data') as ReplyStep
        goesOn = isPart && said.reply.code < 300
        return repeated(said, replies)
      } catch (error) {
        return repeated(this.#failed('data', error), replies)
      } finally {
        if (!goesOn) this.#client.endTransaction()
      }
    }
    const write = (piece: Uint8Array): ReplyStep | Promise<void> | undefined => {
      const taken = receiver.write(piece)
      return taken === undefined || taken instanceof Promise ? taken : this.#settled(taken)
    }
    return { ...step, receiver: { write, end } }
  }

  #tooManyErrors(hook: HookName): ReplyStep {
    const facts = { limit: this.#client.limits.errorsPerSession }
    const text = 'Too many errors'
    const reason = 'ERRORS_PER_SESSION'
    const refusal = { hook, code: 421, status: '4.7.0', text, reason, facts, closes: true }
    return this.#settled(refuse(this.#client, refusal))
  }

  /**
   * The one place where what was thrown becomes a reply. Trouble of ours delays the mail; a bug ends this session and
   * no other. Neither is ever 5yz.
   */
  #failed(hook: HookName, error: unknown): ReplyStep {
    const { log } = this.#service.parts
    const trouble = troubleOf(error)
    const session = this.#client.id
    if (trouble === null) {
      log.error('bug', { session, hook, error: error instanceof Error ? error.stack : String(error) })
      return this.#settled(refuse(this.#client, { ...BUG, hook }))
    }
    log.error('local-trouble', { session, hook, trouble, reason: String(error) })
    const reply = hook === 'auth' ? AUTH_UNAVAILABLE : trouble === 'full' ? FULL : UNAVAILABLE
    return this.#settled(refuse(this.#client, { ...reply, hook }))
  }

  #settled(step: ReplyStep): ReplyStep {
    if (step.closes) this.#ending = step.reply.code === 221 ? 'quit' : `reply ${step.reply.code}`
    return step
  }
}

const NO_ARGUMENT = reply(501, '5.5.4', 'This command has no argument')
const BUG = { code: 421, status: '4.3.0', text: 'Local error', reason: 'BUG', closes: true }
const FULL = { code: 452, status: '4.3.1', text: 'No room for mail, try again later', reason: 'STORE_FULL' }
const UNAVAILABLE = { code: 451, status: '4.3.0', text: 'Try again later', reason: 'LOCAL_TROUBLE' }

/** Trailing white space is tolerated (RFC 5321 §4.1.1), and so is more than one space behind a verb. */
function withoutSpaces(argument: string): string {
  let start = 0
  let end = argument.length
  while (start < end && argument[start] === ' ') start++
  while (end > start && (argument[end - 1] === ' ' || argument[end - 1] === '\t')) end--
  return start === 0 && end === argument.length ? argument : argument.slice(start, end)
}

/** How often the message is answered for: LMTP has a reply for each RCPT that was accepted (RFC 2033 §4.2). */
function repliesToData({ listener, state }: ClientSession): number {
  return listener.role === 'lmtp' && state.phase === 'message' ? state.incoming.transaction.accepted : 1
}

/** What ends the connection is said once. */
function repeated(step: ReplyStep, times: number): ReplyStep {
  if (times < 2 || step.closes) return step
  return { ...step, reply: { ...step.reply, others: Array.from({ length: times - 1 }, () => step.reply) } }
}
