/** F9: a remote that falls silent in any phase costs its own mail time, never its life, and nobody else anything. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { standFor } from '../../core/delivery/delivery-stand.ts'
import { until } from '../../core/delivery/until.ts'
import { remoteFor, type Said } from '../../support/fake-remote.ts'
import { Books } from '../books.ts'

const PHASES = ['connect', 'ehlo', 'mail', 'rcpt', 'data', 'dot'] as const satisfies readonly Said['verb'][]
const STALLED = 30
const GOOD = 100
const PATIENCE_MS = 1_000
const TIMEOUTS = {
  connectMs: PATIENCE_MS,
  greetingMs: PATIENCE_MS,
  commandMs: PATIENCE_MS,
  idleMs: PATIENCE_MS,
  transactionMs: 3_000,
}
const CAP = 5

for (const phase of PHASES)
  for (const after of ['stall', 'deaf'] as const)
    test(`F9: ${after} at ${phase}`, { timeout: 60_000 }, async (t) => {
      let isStalling = true
      const bad = await remoteFor(t, ({ verb }) => (isStalling && verb === phase ? { after } : undefined))
      const good = await remoteFor(t)
      const site = { maxConnections: CAP, restsMs: [500] }
      const stand = await standFor(t, { timeouts: TIMEOUTS, site, retryMs: [500] })
      const books = new Books(stand)
      // More than a socket buffer, for one that does not read.
      await books.send(bad.route, STALLED, 'rcpt@bad.test', 20_000)
      const startedAt = performance.now()
      await books.send(good.route, GOOD, 'rcpt@good.test')
      await good.hasAccepted(GOOD)
      assert.ok(performance.now() - startedAt < 15_000, 'the good one is not held up')
      await until(() => stand.attempts.some(({ route }) => route === bad.route), 15_000)
      assert.ok(bad.mostOpen <= CAP, `${bad.mostOpen} connections`)
      assert.deepEqual(
        (await stand.entries()).filter(({ state }) => state !== 'due'),
        [],
        'nothing is given up',
      )
      isStalling = false
      bad.dropAll()
      await stand.settled(30_000)
      // A mail that was sent whole before the silence may be sent again.
      const taken = books.taken([good, bad])
      assert.equal(taken.size, STALLED + GOOD, 'nothing is lost')
      assert.ok(
        [...taken.values()].every((count) => count === 1),
        'a mail nobody answered for was not taken',
      )
    })
