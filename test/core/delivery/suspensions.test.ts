import assert from 'node:assert/strict'
import { test } from 'node:test'
import { remoteFor } from '../../support/fake-remote.ts'
import { standFor } from './delivery-stand.ts'
import { until } from './until.ts'

test('nothing is sent to a suspended destination, until it is resumed', async (t) => {
  const [remote, other] = [await remoteFor(t), await remoteFor(t)]
  const stand = await standFor(t)
  await stand.store.suspend({ route: remote.route, reason: 'down', since: Date.now(), until: null })
  await stand.deliverer.heedSuspensions()
  assert.equal(stand.deliverer.hasRoomFor(remote.route, 1), false)
  await stand.add(remote.route, ['a@remote.test'])
  await stand.add(other.route, ['b@other.test'])
  await other.hasAccepted(1)
  assert.equal(remote.connections, 0)
  await stand.store.resume(remote.route)
  await stand.deliverer.heedSuspensions()
  await remote.hasAccepted(1)
})

test('whom an operator gives up is told of without anybody being asked, suspended or not', async (t) => {
  const [remote, home] = [await remoteFor(t), await remoteFor(t)]
  const routeNotice = ({ to: address }: { readonly to: string }) =>
    Promise.resolve({ recipients: [{ address, route: home.route, hold: null }], tags: [], lifeSeconds: null })
  const stand = await standFor(t, { routeNotice })
  await stand.store.suspend({ route: remote.route, reason: 'down', since: Date.now(), until: null })
  await stand.deliverer.heedSuspensions()
  await stand.add(remote.route, ['a@remote.test'])
  assert.equal(await stand.store.bounce({}, 'this domain is gone', Date.now()), 1)
  stand.deliverer.kick()
  await home.hasAccepted(1)
  await until(async () => (await stand.entries()).length === 0)
  assert.equal(remote.connections, 0)
  assert.match(
    home.accepted[0]?.content.toString('latin1') ?? '',
    /given up by an operator: this domain is gone/,
  )
})
