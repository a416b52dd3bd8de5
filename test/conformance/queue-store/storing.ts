/** Adding messages and getting their content back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addressesOf,
  BODY,
  claimAt,
  DAY,
  delivered,
  HEAD,
  isFault,
  LEASE,
  messageId,
  NOW,
  newMessage,
  type OpenStore,
  ORIGIN,
  OTHER_ROUTE,
  only,
  ROUTE,
  sent,
  to,
} from './fixture.ts'

export function storingConformance(open: OpenStore): void {
  storesContent(open)
  storesEnvelopes(open)
  keepsCallsApart(open)
}

function storesContent(open: OpenStore): void {
  test('content comes back octet for octet, from its offset on', async (t) => {
    const { store } = await open(t)
    const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * 7) % 256))
    const stored = { head: HEAD, content: { kind: 'inline', bytes }, contentOffset: 17 } as const
    await store.add(newMessage(1, { stored }), null)
    assert.deepEqual(sent(await store.content(messageId(1))), Buffer.concat([HEAD, bytes.subarray(17)]))
    assert.equal((await store.counts()).bytes, HEAD.byteLength + bytes.byteLength - 17)
  })

  test('content without head and without body is content', async (t) => {
    const { store } = await open(t)
    const nothing = new Uint8Array(0)
    const stored = { head: nothing, content: { kind: 'inline', bytes: nothing }, contentOffset: 0 } as const
    await store.add(newMessage(1, { stored }), null)
    assert.equal(sent(await store.content(messageId(1))).byteLength, 0)
  })

  test('octets given to the store stay the caller\u2019s', async (t) => {
    const { store } = await open(t)
    await store.add(newMessage(1), null)
    assert.equal(BODY.toString('latin1', 0, 8), 'Subject:')
  })

  test('a body in the spool is named by its message and goes with it', async (t) => {
    const { store, spool, isSpooled } = await open(t)
    const content = await spool(messageId(1), Buffer.alloc(300_000, 'x'))
    const message = newMessage(1, { stored: { head: HEAD, content, contentOffset: 5 } })
    const delivery = only(await store.add(message, LEASE))
    assert.equal(delivery.sizeBytes, HEAD.byteLength + 300_000 - 5)
    assert.deepEqual(await store.content(messageId(1)), {
      head: new Uint8Array(HEAD),
      content,
      contentOffset: 5,
    })
    assert.equal(await isSpooled(content), true)
    assert.equal(await store.settle(delivery, [delivered('rcpt@example.test')], []), true)
    await until(async () => !(await isSpooled(content)))
  })

  test('the content of a message that is not there is a fault', async (t) => {
    const { store } = await open(t)
    await assert.rejects(store.content(messageId(9)), isFault('unavailable'))
  })
}

function storesEnvelopes(open: OpenStore): void {
  test('what was added is there after the store was closed and opened', async (t) => {
    const { store, reopen } = await open(t)
    await store.add(newMessage(1, { reversePath: '' }), null)
    const reopened = await reopen()
    const delivery = only(await reopened.claim(claimAt(NOW)))
    assert.equal(delivery.message, messageId(1))
    assert.equal(delivery.reversePath, '')
    assert.equal(delivery.acceptedAt, NOW)
    assert.equal(delivery.expiresAt, NOW + 5 * DAY)
    assert.deepEqual(sent(await reopened.content(messageId(1))), Buffer.concat([HEAD, BODY]))
  })

  test('with a lease, what is not held is claimed at once, a delivery for each route', async (t) => {
    const { store } = await open(t)
    const recipients = [
      to('a@x.test'),
      to('b@y.test', OTHER_ROUTE),
      to('c@x.test', ROUTE, 'by policy'),
      to('d@x.test'),
    ]
    const deliveries = await store.add(newMessage(1, { recipients }), LEASE)
    assert.deepEqual(
      deliveries.map((delivery) => [delivery.route, addressesOf(delivery)]),
      [
        [ROUTE, ['a@x.test', 'd@x.test']],
        [OTHER_ROUTE, ['b@y.test']],
      ],
    )
    assert.deepEqual(await store.claim(claimAt(NOW + 1)), [])
    const { due, held, leased, messages } = await store.counts()
    assert.deepEqual({ due, held, leased, messages }, { due: 3, held: 1, leased: 3, messages: 1 })
  })

  test('without a lease it waits to be claimed', async (t) => {
    const { store } = await open(t)
    assert.deepEqual(await store.add(newMessage(1), null), [])
    assert.equal(only(await store.claim(claimAt(NOW))).message, messageId(1))
  })

  test('a held recipient is listed with its reason and origin', async (t) => {
    const { store } = await open(t)
    await store.add(newMessage(1, { recipients: [to('a@x.test', ROUTE, 'by policy')] }), LEASE)
    const [entry] = await store.list({}, 10)
    assert.equal(entry?.state, 'held')
    assert.equal(entry?.detail, 'by policy')
    assert.equal(entry?.leased, false)
    assert.deepEqual(entry?.origin, ORIGIN)
  })
}

function keepsCallsApart(open: OpenStore): void {
  test('a duplicate id is a fault and leaves the first message as it was', async (t) => {
    const { store } = await open(t)
    await store.add(newMessage(1), null)
    const duplicate = newMessage(1, { recipients: [to('other@example.test')] })
    await assert.rejects(store.add(duplicate, null), isFault('unavailable'))
    assert.deepEqual(addressesOf(only(await store.claim(claimAt(NOW)))), ['rcpt@example.test'])
    assert.equal((await store.counts()).messages, 1)
  })

  test('one call that fails does not take those with it that were made with it', async (t) => {
    const { store } = await open(t)
    await store.add(newMessage(1), null)
    const results = await Promise.allSettled([
      store.add(newMessage(2), null),
      store.add(newMessage(1), null),
      store.content(messageId(99)),
      store.add(newMessage(3), null),
    ])
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
    )
    const { messages, due } = await store.counts()
    assert.deepEqual({ messages, due }, { messages: 3, due: 3 })
    assert.equal((await store.claim(claimAt(NOW))).length, 3)
  })

  test('many adds at once are all there', async (t) => {
    const { store } = await open(t)
    await Promise.all(Array.from({ length: 300 }, (_, i) => store.add(newMessage(i), null)))
    assert.equal((await store.counts()).messages, 300)
    const asked = [messageId(7), messageId(300), messageId(299)]
    assert.deepEqual(await store.stored(asked), [messageId(7), messageId(299)])
  })
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, 'it never became true')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
