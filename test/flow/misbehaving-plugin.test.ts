/**
 * A plugin that misbehaves in `rcpt` harms its own recipient only: that one is deferred, or let by where the
 * configuration says so; neighbours do not notice, the worker lives, and log and record name the plugin.
 */
import assert from 'node:assert/strict'
import { after, before, type TestContext, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import type { Decision } from '../../core/admin/control.ts'
import { fixturePlugin, Gateway } from '../support/gateway.ts'
import { message } from '../support/message-bytes.ts'
import type { RawClient } from '../support/raw-client.ts'
import { until } from '../support/until.ts'

/** Local parts that make the plugin do what they say. */
const DEEDS = ['throw', 'loop', 'dictionary', 'uninterruptible', 'process', 'require', 'import']
const NEIGHBOURS = 20
/** Ten times the goal of 200 ms. */
const NOOP_MS = 2_000
/** So that the neighbours are not the load. */
const BETWEEN_NOOPS_MS = 20

const REFERENCE = /\((r_[a-z]{8})\)$/

/** One gateway whose misbehaving plugin fails as `onError` says, with clients that were there before. */
class Stage implements AsyncDisposable {
  readonly gateway: Gateway
  readonly neighbours: readonly RawClient[]
  readonly workerPid: number

  private constructor(gateway: Gateway, neighbours: readonly RawClient[], workerPid: number) {
    this.gateway = gateway
    this.neighbours = neighbours
    this.workerPid = workerPid
  }

  static async open(onError: 'defer' | 'skip'): Promise<Stage> {
    const gateway = await Gateway.start({
      limits: 'off',
      plugins: [
        { name: 'relay-control' },
        fixturePlugin('misbehaving', { onError }),
        { name: 'recipients' },
        { name: 'routing' },
      ],
    })
    const neighbours: RawClient[] = []
    for (let i = 0; i < NEIGHBOURS; i++) neighbours.push(await gateway.greeted())
    return new Stage(gateway, neighbours, await gateway.workerPid())
  }

  /** Names a recipient; returns the reply and the slowest answer to a neighbour's NOOP until it came. */
  async rcpt(client: RawClient, localPart: string): Promise<{ reply: string; slowestMs: number }> {
    await client.expect('250', 'MAIL FROM:<sender@client.example>')
    const answered = Promise.withResolvers<string>()
    let isAnswered = false
    client.ask(`RCPT TO:<${localPart}@example.test>`).then(answered.resolve, answered.reject)
    const done = answered.promise.finally(() => {
      isAnswered = true
    })
    let slowestMs = 0
    while (!isAnswered) {
      slowestMs = Math.max(slowestMs, ...(await Promise.all(this.neighbours.map(noopMs))))
      await wait(BETWEEN_NOOPS_MS)
    }
    return { reply: await done, slowestMs }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const neighbour of this.neighbours) neighbour.destroy()
    await this.gateway[Symbol.asyncDispose]()
  }
}

async function noopMs(neighbour: RawClient): Promise<number> {
  const startedAt = performance.now()
  await neighbour.expect('250', 'NOOP')
  return performance.now() - startedAt
}

/** What the record has about failures in the session that a reference or a queue id stands for. */
async function recorded(
  gateway: Gateway,
  key: string,
): Promise<{ id: string; failures: readonly Decision[] }> {
  const session = await gateway.control.explain(key)
  assert.ok(session !== null, `${key} is explained`)
  const decisions = session.entries.filter((entry) => 'hook' in entry)
  return { id: session.id, failures: decisions.filter(({ fault }) => fault !== null) }
}

function assertBounds(t: TestContext, slowestMs: number): void {
  t.diagnostic(`slowest NOOP of ${NEIGHBOURS} neighbours: ${slowestMs.toFixed(1)} ms`)
  assert.ok(slowestMs < NOOP_MS, `a neighbour waited ${slowestMs} ms`)
}

let deferring: Stage
let skipping: Stage
before(async () => {
  deferring = await Stage.open('defer')
  skipping = await Stage.open('skip')
})
after(async () => {
  await deferring?.[Symbol.asyncDispose]()
  await skipping?.[Symbol.asyncDispose]()
})

for (const [index, deed] of DEEDS.entries()) {
  /** What brought the plugin down once is kept from it, and so is everything else of that network. */
  const from = `127.0.1.${index + 1}`

  test(`${deed}: 451 with a reference, and everybody else is served`, async (t) => {
    const { gateway, workerPid } = deferring
    using client = await gateway.greeted(from)
    const { reply, slowestMs } = await deferring.rcpt(client, deed)
    assert.match(reply, /^451 4\.3\.0 Policy check not available, try again later \(r_[a-z]{8}\)$/)
    assertBounds(t, slowestMs)
    assert.equal(await gateway.workerPid(), workerPid)
    const reference = REFERENCE.exec(reply)?.[1] ?? ''
    const line = () => gateway.logged('refused').find((refused) => refused['reference'] === reference)
    await until(() => line() !== undefined, 'the line of the log')
    assert.deepEqual([line()?.['plugin'], line()?.['hook']], ['misbehaving', 'rcpt'])
    const { failures } = await recorded(gateway, reference)
    assert.deepEqual(
      failures.map(({ plugin, hook, reference: told }) => ({ plugin, hook, told })),
      [{ plugin: 'misbehaving', hook: 'rcpt', told: reference }],
    )
    using other = await gateway.greeted()
    await other.expect('250', 'MAIL FROM:<sender@client.example>')
    await other.expect('250', 'RCPT TO:<well@example.test>')
  })

  test(`${deed}, where the configuration says skip: the mail goes through, and the record tells`, async (t) => {
    const { gateway, workerPid } = skipping
    using client = await gateway.greeted(from)
    const { reply, slowestMs } = await skipping.rcpt(client, deed)
    assert.match(reply, /^250 2\.1\.5 /)
    assertBounds(t, slowestMs)
    assert.equal(await gateway.workerPid(), workerPid)
    await client.expect('354', 'DATA')
    client.raw(message(`skipped ${deed}`))
    const queueId = (await client.expect('250', '.')).split(' ').at(-1) ?? ''
    const { id, failures } = await recorded(gateway, queueId)
    // After a stay without end it is not asked about this client's content either.
    assert.deepEqual(
      failures
        .filter(({ hook }) => hook === 'rcpt')
        .map(({ plugin, hook, onError }) => ({ plugin, hook, onError })),
      [{ plugin: 'misbehaving', hook: 'rcpt', onError: 'skip' }],
    )
    const lines = gateway.logged().filter((line) => line['session'] === id && line['hook'] === 'rcpt')
    assert.ok(
      lines.some((line) => line['plugin'] === 'misbehaving'),
      'a line of the log names the plugin, its hook and the session',
    )
  })
}

test('`postern explain REFERENCE` names the plugin and what it failed with', async () => {
  const { gateway } = deferring
  using client = await gateway.greeted()
  const { reply } = await deferring.rcpt(client, 'throw')
  const reference = REFERENCE.exec(reply)?.[1] ?? ''
  const { code, stdout } = await gateway.folder.run(['explain', reference])
  assert.equal(code, 0)
  assert.match(stdout, /^rcpt\n {2}1 {2}relay-control +\w.*\n(?:.*\n)*? {2}2 {2}misbehaving +FAILED /m)
  assert.match(stdout, /thrown on purpose/)
  assert.match(stdout, new RegExp(reference))
})
