/** A stand for the client: a channel to a remote, and something to carry. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { Channel, Outgoing } from '../../../core/delivery/channel.ts'
import { type ClientTimeouts, openSmtp } from '../../../core/delivery/client.ts'
import { type Met, outcomeOf } from '../../../core/delivery/outcome.ts'
import type { StoredContent } from '../../../core/mail/message.ts'
import type { Reaction, Said, Script } from '../../support/fake-remote.ts'

/** Long enough never to matter in these tests. */
export const PATIENT: ClientTimeouts = {
  connectMs: 20_000,
  greetingMs: 20_000,
  commandMs: 20_000,
  idleMs: 20_000,
  transactionMs: 20_000,
}

export async function open(
  t: TestContext,
  port: number,
  timeouts: Partial<ClientTimeouts> = {},
): Promise<Channel> {
  const opening = await opened(port, timeouts)
  assert.ok(opening.ok, JSON.stringify(opening))
  const { channel } = opening
  t.after(() => channel.abort('the test is over'))
  return channel
}

export function opened(port: number, timeouts: Partial<ClientTimeouts> = {}): ReturnType<typeof openSmtp> {
  const options = { hostname: 'mx.postern.test', timeouts: { ...PATIENT, ...timeouts } }
  return openSmtp({ host: '127.0.0.1', port }, options, new AbortController().signal)
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
