/**
 * Files of the store truncated, torn and with flipped bits: nothing crashes, nothing altered or misdirected is sent, what
 * is not hit is delivered, and whatever is missing was reported.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { cpSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { StoredContent } from '../../core/mail/message.ts'
import { databaseDamage } from '../../core/queue/database-damage.ts'
import { QUEUE_FILE } from '../../core/queue/keeper-files.ts'
import type { Answer, QueueCall } from '../../core/queue/keeper-protocol.ts'
import { KeeperService, type Peer } from '../../core/queue/keeper-service.ts'
import type { Delivery, QueueEntry } from '../../core/queue/queue-store.ts'
import { salvage } from '../../core/queue/salvage.ts'
import { createSpool } from '../../core/queue/spool.ts'
import { readContent } from '../../core/queue/stored-content.ts'
import { StoreFault, storeFault } from '../../core/state/store-fault.ts'
import { claimAt, DAY, HEAD, messageId, NOW, newMessage, to } from '../conformance/queue-store/fixture.ts'
import { openKeeper, temporaryDirectory } from '../core/queue/store-under-test.ts'
import { seededRandom } from '../support/seeded-random.ts'

const SEED = Number(process.env['POSTERN_SEED'] ?? 2_026)
const MUTATIONS = 100
const MESSAGES = 100
/** Of these each tenth is spooled, and each third has three recipients. */
const BODY_BYTES = 2_000
const SPOOLED_BYTES = 40_000
const PAGE_BYTES = 8_192
/** Recipients whose records share a page, about: what one torn page may take. */
const PAGE_RECIPIENTS = 100

/** Recipients, as `message address sum`. */
type Book = Set<string>

test(`${MUTATIONS} mutations of a store's files, seed ${SEED}`, async (t) => {
  const stores = await makeStores(t)
  const random = seededRandom(SEED)
  const totals = { delivered: 0, missing: 0, salvages: 0, owed: 0 }
  for (let number = 0; number < MUTATIONS; number++) {
    const store = stores[number % stores.length]
    assert.ok(store)
    const directory = join(await temporaryDirectory(t), 'store')
    cpSync(store.directory, directory, { recursive: true })
    const mutation = mutate(directory, random)
    const outcome = await withName(mutation, () => liveOn(directory))
    const altered = [...outcome.delivered].filter((entry) => !store.owed.has(entry))
    assert.deepEqual(altered, [], `${mutation}: only what was stored is sent, to whom it was stored for`)
    const missing = [...store.owed].filter((entry) => {
      const [message, address] = entry.split(' ')
      return !outcome.delivered.has(entry) && !outcome.queued.has(`${message} ${address}`)
    })
    if (missing.length > 0)
      assert.ok(outcome.reports.length > 0, `${mutation}: ${missing.length} missing, and nobody said so`)
    const bound = mutation.startsWith('truncate') ? store.owed.size : PAGE_RECIPIENTS
    assert.ok(missing.length <= bound, `${mutation}: ${missing.length} missing`)
    totals.owed += store.owed.size
    totals.delivered += outcome.delivered.size
    totals.missing += missing.length
    totals.salvages += outcome.isSalvaged ? 1 : 0
    rmSync(directory, { recursive: true })
  }
  t.diagnostic(JSON.stringify(totals))
  assert.ok(totals.delivered > 0.85 * totals.owed, `${totals.delivered} of ${totals.owed} delivered`)
})

interface Store {
  readonly directory: string
  readonly owed: Book
}

/** One that was closed in order, and one whose owner was killed: half of it is in the log. */
async function makeStores(t: TestContext): Promise<readonly Store[]> {
  const directory = await temporaryDirectory(t)
  const owed: Book = new Set()
  await fill(directory, owed, 0, MESSAGES / 2)
  const closed = { directory: await copyOf(t, directory), owed: new Set(owed) }
  const left = await fill(directory, owed, MESSAGES / 2, MESSAGES, () => copyOf(t, directory))
  rmSync(join(left ?? '', `${QUEUE_FILE}-shm`), { force: true })
  return [closed, { directory: left ?? '', owed }]
}

async function copyOf(t: TestContext, directory: string): Promise<string> {
  const copy = await temporaryDirectory(t)
  cpSync(directory, copy, { recursive: true })
  return copy
}

async function fill<T>(
  directory: string,
  owed: Book,
  from: number,
  until: number,
  meanwhile?: () => Promise<T>,
): Promise<T | undefined> {
  const keeper = await openKeeper(directory)
  const spool = await createSpool(directory)
  for (let number = from; number < until; number++) {
    const id = messageId(number)
    const isSpooled = number % 10 === 9
    const body = Buffer.alloc(isSpooled ? SPOOLED_BYTES : BODY_BYTES, `body of ${id}\r\n`)
    const receiver = spool.receiver(id, 16_384)
    await receiver.write(body)
    const recipients = Array.from({ length: number % 3 === 0 ? 3 : 1 }, (_, index) =>
      to(`rcpt${index}@d${number % 7}.test`, `mx:d${number % 7}.test`),
    )
    const stored = { head: HEAD, content: await receiver.finish(), contentOffset: 0 }
    await keeper.queue.add(newMessage(number, { stored, recipients }), null)
    for (const { address } of recipients) owed.add(`${id} ${address} ${sumOf([HEAD, body])}`)
  }
  const result = await meanwhile?.()
  await keeper.close()
  return result
}

function sumOf(pieces: readonly Uint8Array[]): string {
  return createHash('sha256').update(Buffer.concat(pieces)).digest('hex')
}

/** Damages one file; says what it did. */
function mutate(directory: string, random: () => number): string {
  const below = (limit: number): number => Math.floor(random() * limit)
  const all = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  // Most of them in the database, which has most of the mail.
  const databases = all.filter(
    ({ name }) => name.startsWith(QUEUE_FILE) && statSync(join(directory, name)).size > 0,
  )
  const pool = random() < 0.75 ? databases : all.filter(({ name }) => !name.endsWith('-shm'))
  const { parentPath, name } = pool[below(pool.length)] ?? assert.fail('there are files')
  const file = join(parentPath, name)
  const { size } = statSync(file)
  const kind = ['bit-flip', 'bit-flip', 'truncate', 'torn page'][below(4)] ?? ''
  const at = below(Math.max(1, size))
  if (kind === 'truncate') truncateSync(file, at)
  else {
    const bytes = readFileSync(file)
    if (kind === 'bit-flip') bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8))
    else {
      const page = Math.floor(at / PAGE_BYTES) * PAGE_BYTES
      bytes.subarray(page + PAGE_BYTES / 2, page + PAGE_BYTES).fill(below(2) * 0xa5)
    }
    writeFileSync(file, bytes)
  }
  return `${kind} of ${name} at ${at} of ${size}`
}

interface Life {
  readonly delivered: Book
  /** Still in the queue, as `message address`. */
  readonly queued: Set<string>
  readonly reports: readonly string[]
  readonly isSalvaged: boolean
}

/** What an operator would see: a start, and after a report of damage a salvage and another start. */
async function liveOn(directory: string): Promise<Life> {
  const delivered: Book = new Set()
  const first = await deliverAll(directory, delivered)
  if (!first.isDamaged) return { delivered, ...first, isSalvaged: false }
  const result = salvage(directory, 'test')
  const second = await deliverAll(directory, delivered)
  assert.equal(second.isDamaged, false, `after the salvage the store is sound: ${second.reports.join(', ')}`)
  return {
    delivered,
    queued: second.queued,
    reports: [...first.reports, ...second.reports, JSON.stringify(result)],
    isSalvaged: true,
  }
}

async function deliverAll(
  directory: string,
  delivered: Book,
): Promise<{
  readonly queued: Set<string>
  readonly reports: readonly string[]
  readonly isDamaged: boolean
}> {
  const reports: string[] = []
  const queued = new Set<string>()
  let isDamaged = false
  const damaged = (error: unknown): void => {
    const { code, message } = storeFault(error)
    assert.equal(code, 'damaged', message)
    reports.push(message)
    isDamaged = true
  }
  let service: KeeperService | null = null
  try {
    service = new KeeperService(directory, NOW, ({ reason }) => reports.push(reason))
    await drain(service, delivered)
    const entries = service.ask({
      name: 'list',
      arguments: { filter: {}, limit: 1000 },
    }) as readonly QueueEntry[]
    for (const { message, address } of entries) queued.add(`${message} ${address}`)
    const findings = databaseDamage(join(directory, QUEUE_FILE), 'thorough')
    reports.push(...findings)
    isDamaged = findings.length > 0
  } catch (error) {
    damaged(error)
  } finally {
    service?.close()
  }
  return { queued, reports, isDamaged }
}

async function drain(service: KeeperService, delivered: Book): Promise<void> {
  const request = claimAt(NOW + DAY, { limit: 1000 })
  for (;;) {
    const deliveries = service.ask({ name: 'claim', arguments: request }) as readonly Delivery[]
    if (deliveries.length === 0) return
    const settled: QueueCall[] = []
    for (const delivery of deliveries) settled.push(await deliver(service, delivery, delivered))
    for (const result of together(service, settled)) assert.ok(result === true || Number(result) > 0)
  }
}

/** What is to be written down of a delivery. */
async function deliver(service: KeeperService, delivery: Delivery, delivered: Book): Promise<QueueCall> {
  const { message, route, fence } = delivery
  const pieces: Uint8Array[] = []
  try {
    const stored = service.ask({ name: 'content', arguments: { message } }) as StoredContent
    for await (const piece of readContent(stored)) pieces.push(piece)
  } catch (error) {
    const { code, message: reason } = storeFault(error)
    assert.equal(code, 'damaged', reason)
    return { name: 'set-aside', arguments: { message, reason } }
  }
  const sum = sumOf(pieces)
  for (const { address } of delivery.recipients) delivered.add(`${message} ${address} ${sum}`)
  const settlements = delivery.recipients.map(({ address }) => {
    return { address, result: 'delivered', detail: '250 ok' } as const
  })
  return { name: 'settle', arguments: { lease: { message, route, fence }, settlements, notices: [] } }
}

/** In one transaction. @throws StoreFault the first one */
function together(service: KeeperService, calls: readonly QueueCall[]): readonly unknown[] {
  const answers: Answer[] = []
  const peer: Peer = { owner: 'test', answer: ({ text }) => answers.push(...(JSON.parse(text) as Answer[])) }
  service.run([{ peer, calls: calls.map((call, id) => ({ id, store: 'queue', call })), parts: [] }])
  return answers.map((answer) => {
    if ('fault' in answer) throw new StoreFault(answer.fault.code, answer.fault.message)
    return answer.value
  })
}

async function withName<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw new Error(name, { cause: error })
  }
}
