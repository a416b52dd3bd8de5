/** A stand for the client: a channel to a remote, and something to carry. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { Channel, Outgoing } from '../../../core/delivery/channel.ts'
import type { ClientTimeouts } from '../../../core/delivery/client-timeouts.ts'
import { type Met, outcomeOf } from '../../../core/delivery/outcome.ts'
import { PlaintextHosts } from '../../../core/delivery/plaintext-hosts.ts'
import { OPPORTUNISTIC } from '../../../core/delivery/protection.ts'
import { openAddress, type SessionOpenerOptions } from '../../../core/delivery/session-opener.ts'
import type { StoredContent } from '../../../core/mail/message.ts'
import { systemClock } from '../../../core/observe/clock.ts'
import { createLog } from '../../../core/observe/json-log.ts'
import type { Reaction, Said, Script } from '../../support/fake-remote.ts'

/** Long enough never to matter in these tests. */
export const PATIENT: ClientTimeouts = {
  connectMs: 20_000,
  greetingMs: 20_000,
  commandMs: 20_000,
  mailMs: 20_000,
  rcptMs: 20_000,
  dataMs: 20_000,
  blockMs: 20_000,
  dotMs: 20_000,
  transactionMs: 20_000,
}

/** What a test says otherwise than usual. */
export type Unusual = Partial<ClientTimeouts> & Partial<Omit<SessionOpenerOptions, 'timeouts'>>

export async function open(t: TestContext, port: number, unusual: Unusual = {}): Promise<Channel> {
  const opening = await opened(port, unusual)
  assert.ok(opening.ok, JSON.stringify(opening))
  const { channel } = opening
  t.after(() => channel.abort('the test is over'))
  return channel
}

/** Over SMTP with TLS when it is offered, unless told otherwise. */
export function sessionOptions(unusual: Unusual = {}): SessionOpenerOptions {
  return {
    hostname: 'mx.postern.test',
    protocol: 'smtp',
    protection: OPPORTUNISTIC,
    plaintextHosts: new PlaintextHosts(systemClock),
    log: createLog('silent', {}),
    ...unusual,
    timeouts: { ...PATIENT, ...unusual },
  }
}

export function opened(port: number, unusual: Unusual = {}): ReturnType<typeof openAddress> {
  return openAddress({ host: '127.0.0.1', port }, sessionOptions(unusual), new AbortController().signal)
}

export function inline(text: string | Buffer, head = ''): StoredContent {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'latin1') : text
  return { head: Buffer.from(head), content: { kind: 'inline', bytes }, contentOffset: 0 }
}

export function outgoing(
  recipients: readonly string[],
  stored = inline('Subject: x\r\n\r\nhello\r\n'),
): Outgoing {
  return { queueId: 'q_000000000000', reversePath: 'from@example.test', recipients, stored }
}

export async function carried(channel: Channel, what: Outgoing): Promise<readonly Met[]> {
  const met = await channel.carry(what)
  assert.ok(met !== null, 'the connection had gone')
  return met
}

export function results(met: readonly Met[]): string[] {
  return met.map((what) => outcomeOf(what).result)
}

/** Reacts once to one verb. */
export function at(verb: Said['verb'], reaction: Reaction | string): Script {
  return (said) => (said.verb === verb ? reaction : undefined)
}
