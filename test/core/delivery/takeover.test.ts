/** Work of a worker that is gone, seen from one that stays. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newMessage, to } from '../../conformance/queue-store/fixture.ts'
import { remoteFor } from '../../support/fake-remote.ts'
import { keeperStand } from '../queue/keeper-server-stand.ts'
import { type Stand, standFor } from './delivery-stand.ts'
import { until } from './until.ts'

/** Of the lease, and of the look at the queue that comes by itself. */
const LONG_MS = 60_000

test('a worker that stays delivers at once what another left behind', { timeout: 30_000 }, async (t) => {
  const { connect } = await keeperStand(t)
  const remote = await remoteFor(t)
  let stand: Stand | null = null
  const keeper = await connect('staying', () => stand?.deliverer.kick())
  const dying = await connect('dying')
  const acceptedAt = Date.now()
  const recipients = [to('a@remote.test', remote.route)]
  const message = newMessage(1, { acceptedAt, expiresAt: acceptedAt + LONG_MS, recipients })
  await dying.queue.add(message, { owner: 'dying', until: acceptedAt + LONG_MS })
  stand = await standFor(t, { keeper, pace: { pollMs: LONG_MS } })
  await stand.accept(remote.route, ['b@remote.test'])
  await until(() => remote.accepted.length === 1)
  const leftAt = performance.now()
  await dying.close()
  await until(() => remote.accepted.length === 2)
  assert.ok(performance.now() - leftAt < 5_000)
})
