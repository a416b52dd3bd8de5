/** The hooks of delivery in a real isolate: what a plugin may say there, and what it is told. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createTestHost, type TestHost } from 'postern/testing'
import { FIXTURES } from '../support/sandbox.ts'

let host: TestHost
before(async () => {
  host = await createTestHost({
    file: join(FIXTURES, 'deciding.ts'),
    config: { destination: 'mx:next.test' },
  })
})
after(() => host.close())

const ask = (localPart: string) =>
  host.deliver({ recipients: [{ address: `${localPart}@example.test`, attempts: 2 }], attempt: 3 })

test('a wait is a deferral that says for how long, and the record has the seconds', async () => {
  const { refusal, fault } = await ask('wait')
  assert.equal(fault, null)
  assert.deepEqual(refusal, {
    kind: 'defer',
    status: '4.7.0',
    text: 'Not before the evening',
    code: 'EVENING',
    facts: { attempt: 3, waitSeconds: 3600 },
    waitSeconds: 3600,
  })
})

test('reject and defer, a hold, a route and nothing are what they are elsewhere', async () => {
  const bounce = await ask('bounce')
  assert.deepEqual(
    [bounce.refusal?.kind, bounce.refusal?.status, bounce.refusal?.code],
    ['reject', '5.7.1', 'GONE'],
  )
  assert.deepEqual((await ask('later')).refusal?.kind, 'defer')
  assert.deepEqual((await ask('hold')).actions, [{ kind: 'hold', text: 'look at it', recipients: null }])
  assert.deepEqual((await ask('move')).actions, [
    { kind: 'route.set', destination: 'mx:next.test', recipients: null },
  ])
  assert.deepEqual((await ask('anna')).note?.text, 'fine')
})

test('what is no answer there is a fault', async () => {
  for (const [localPart, says] of [
    ['too-long', /a wait is 1 to 86400 seconds long/],
    ['disconnect', /deliver cannot disconnect/],
    ['throw', /thrown on purpose/],
  ] as const) {
    const { fault, refusal } = await ask(localPart)
    assert.match(fault?.message ?? '', says)
    assert.equal(refusal, null)
  }
})

test('tools work where nothing can be answered any more', async () => {
  const told = {
    type: 'delivered',
    queueId: 'q_1',
    origin: { kind: 'internal', what: 'dsn', tags: [] },
    reversePath: '',
    recipients: [{ address: 'anna@example.test', detail: '250 ok' }],
    route: 'mx:example.test',
    remote: '192.0.2.1:25',
    attempt: 'q_1/7',
    expired: false,
  } as const
  assert.deepEqual(await host.tell(told), { refusal: null, note: null, actions: [], fault: null })
  await host.tell(told)
  assert.equal(host.kept.get('told:q_1:delivered'), '2')
  const refused = await host.tell({ ...told, recipients: [{ address: 'tell-refuse@x.test', detail: '' }] })
  assert.match(refused.fault?.message ?? '', /tell cannot reject/)
  const held = await host.tell({ ...told, recipients: [{ address: 'tell-hold@x.test', detail: '' }] })
  assert.match(held.fault?.message ?? '', /"hold" means nothing at tell/)
})
