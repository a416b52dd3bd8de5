/** Messages and stores for the conformance suite. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { NO_DSN_ENVELOPE, NO_DSN_RECIPIENT } from '../../../core/mail/dsn-parameters.ts'
import type { Content, StoredContent } from '../../../core/mail/message.ts'
import type { Origin } from '../../../core/mail/session.ts'
import type {
  ClaimRequest,
  Delivery,
  NewMessage,
  NewRecipient,
  QueueStore,
} from '../../../core/queue/queue-store.ts'
import type { StoreFaultCode } from '../../../core/state/store-fault.ts'

/** An empty store; closed and removed when the test ends. */
export type OpenStore = (t: TestContext) => Promise<StoreUnderTest>

export interface StoreUnderTest {
  readonly store: QueueStore
  /** Puts content where large bodies go. */
  readonly spool: (id: string, bytes: Uint8Array) => Promise<Content>
  /** Whether that content is still there. */
  readonly isSpooled: (content: Content) => Promise<boolean>
  /** Closes the store and opens it again over what it wrote. */
  readonly reopen: () => Promise<QueueStore>
}

export const NOW = 1_700_000_000_000
export const MINUTE = 60_000
export const DAY = 86_400_000
export const LEASE = { owner: 'worker-1', until: NOW + MINUTE }

export const ROUTE = 'smtp://192.0.2.25:25'
export const OTHER_ROUTE = 'maildir:/var/mail'

export const ORIGIN: Origin = {
  kind: 'smtp',
  session: 's_bcdfghjklmnpqrst',
  client: { address: '192.0.2.1', port: 50_123, network: '192.0.2.1' },
  hello: { verb: 'EHLO', name: 'client.example' },
  tls: null,
  identity: null,
  tags: [{ plugin: 'reputation', name: 'known-good', value: 'since 2019' }],
}

export const HEAD = Buffer.from('Received: from client.example by mx.example.test; grüß\r\n')
export const BODY = Buffer.from('Subject: a test\r\n\r\nline one\r\n..dots\r\n')

export function messageId(number: number): string {
  return `q_${String(number).padStart(12, '0')}`
}

/** A message with one recipient, changed as told. */
export function newMessage(number: number, changes: Partial<NewMessage> = {}): NewMessage {
  return {
    id: messageId(number),
    acceptedAt: NOW,
    expiresAt: NOW + 5 * DAY,
    reversePath: 'sender@client.example',
    stored: { head: HEAD, content: { kind: 'inline', bytes: BODY }, contentOffset: 0 },
    origin: ORIGIN,
    dsn: NO_DSN_ENVELOPE,
    recipients: [to('rcpt@example.test')],
    ...changes,
  }
}

export function to(address: string, route = ROUTE, hold: string | null = null): NewRecipient {
  return { address, route, hold, dsn: NO_DSN_RECIPIENT }
}

export function claimAt(now: number, changes: Partial<ClaimRequest> = {}): ClaimRequest {
  return { lease: { owner: 'worker-1', until: now + MINUTE }, now, limit: 100, exceptRoutes: [], ...changes }
}

/** The only delivery of a list. */
export function only(deliveries: readonly Delivery[]): Delivery {
  assert.equal(deliveries.length, 1, 'one delivery was expected')
  return deliveries[0] as Delivery
}

export function addressesOf({ recipients }: Delivery): string[] {
  return recipients.map(({ address }) => address)
}

export function delivered(address: string) {
  return { address, result: 'delivered', detail: '250 2.0.0 Ok' } as const
}

export function held(address: string) {
  return { address, result: 'held', detail: '550 5.1.1 No such user' } as const
}

export function bounced(address: string) {
  return { address, result: 'bounced', detail: '550 5.1.1 No such user' } as const
}

export function deferred(address: string, dueAt: number, counted = true) {
  return {
    address,
    result: 'deferred',
    detail: '451 4.3.0 Later',
    dueAt,
    counted,
    isDelayTold: false,
  } as const
}

export function rerouted(address: string, route: string, dueAt = NOW) {
  return { address, result: 'rerouted', detail: 'a plugin said so', route, dueAt } as const
}

/** What would be sent, as one buffer; for content in memory. */
export function sent({ head, content, contentOffset }: StoredContent): Buffer {
  assert.equal(content.kind, 'inline')
  return Buffer.concat([head, content.kind === 'inline' ? content.bytes.subarray(contentOffset) : head])
}

export function isFault(code: StoreFaultCode) {
  return (error: unknown): true => {
    assert.equal((error as Error).name, 'StoreFault')
    assert.equal((error as { code?: unknown }).code, code)
    return true
  }
}
