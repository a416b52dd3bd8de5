/** What plugins want done to a message, carried out: discard, hold, tag, expire. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Action } from '../../../core/mail/answer.ts'
import type { HookName, MailEvent, QueueEvent } from '../../../core/mail/hook-events.ts'
import { pass, type TestPlugin } from './panel.ts'
import { acting, CONTENT, send, TO } from './sending.ts'

const discard = (text: string, recipients: readonly string[] | null = null): Action => ({
  kind: 'discard',
  text,
  recipients,
})

for (const hook of ['mail', 'data', 'queue'] as const)
  test(`what is discarded at ${hook} is accepted and stored nowhere; log and record say who and why`, async () => {
    const { reply, server } = await send([acting(hook, discard('spam trap'))])
    assert.equal(reply, '250 2.0.0 Queued as q_000000000001')
    assert.equal(server.stored.length, 0)
    const told = { plugin: `at-${hook}`, reason: 'spam trap', recipients: TO }
    const [line] = server.logged('discarded')
    assert.deepEqual({ ...line, session: '' }, { session: '', message: 'q_000000000001', ...told })
    assert.equal(server.logged('message-accepted')[0]?.['discarded'], 1)
    const entries = server.records.find('q_000000000001')?.entries ?? []
    const step = entries.find((entry) => 'event' in entry && entry.event === 'discarded')
    assert.deepEqual(step && 'detail' in step && step.detail, told)
  })

test('a discard at rcpt is for that recipient, at data for those it names, and needs no route', async () => {
  const to = ['one@example.test', 'two@example.test', 'three@nowhere.test']
  const first: TestPlugin = {
    name: 'first',
    hooks: { rcpt: ({ localPart }) => pass(...(localPart === 'one' ? [discard('trap')] : [])) },
  }
  const open: TestPlugin = { name: 'open', hooks: { rcpt: () => pass({ kind: 'relay.grant' }) } }
  const { reply, message } = await send(
    [first, open, acting('data', discard('late', ['three@nowhere.test']))],
    to,
  )
  assert.match(reply, /^250 /)
  assert.deepEqual(
    message?.recipients.map(({ address }) => address),
    ['two@example.test'],
  )
})

test('a hold wins over a discard for the recipients it names, and the record says so', async () => {
  const to = ['one@example.test', 'two@example.test']
  const { message, server } = await send(
    [
      acting('data', discard('spam')),
      acting('queue', { kind: 'hold', text: 'evidence', recipients: ['two@example.test'] }),
    ],
    to,
  )
  assert.deepEqual(
    message?.recipients.map(({ address, hold }) => [address, hold]),
    [['two@example.test', 'at-queue: evidence']],
  )
  assert.deepEqual(
    server.logged('discard-ignored').map(({ plugin, recipients }) => [plugin, recipients]),
    [['at-data', ['two@example.test']]],
  )
})

test('a discard lets nobody relay', async () => {
  const { reply } = await send([acting('rcpt', discard('trap'))], ['user@elsewhere.example'])
  assert.match(reply, /^550 5\.7\.1 Relaying denied/)
})

test('what a plugin says at data of the host postmaster is meant for its mailbox', async () => {
  const settings = { postmaster: 'admin@example.test' }
  const held: Action = { kind: 'hold', text: 'odd', recipients: ['postmaster@mx.example.test'] }
  const { message } = await send([acting('data', held)], ['postmaster'], CONTENT, { settings })
  assert.deepEqual(
    message?.recipients.map(({ address, hold }) => [address, hold]),
    [['admin@example.test', 'at-data: odd']],
  )
})

test('the shortest life wins, and none is longer than the configured one', async () => {
  const life = (hook: HookName, seconds: number): TestPlugin => acting(hook, { kind: 'expire', seconds })
  const short = await send([life('data', 3_600), life('queue', 600), life('queue', 900)])
  assert.equal((short.message?.expiresAt ?? 0) - (short.message?.acceptedAt ?? 0), 600_000)
  const long = await send([life('data', 864_000)])
  assert.equal((long.message?.expiresAt ?? 0) - (long.message?.acceptedAt ?? 0), 432_000_000)
  const steps = long.server.records.find('q_000000000001')?.entries ?? []
  const cut = steps.find((entry) => 'event' in entry && entry.event === 'expire-cut')
  assert.deepEqual(cut && 'detail' in cut && cut.detail, {
    plugin: 'at-data',
    seconds: 864_000,
    limitSeconds: 432_000,
  })
})

test('tags are told at later hooks, at queue and in the origin; those of the session to every message', async () => {
  const hooks = ['connect', 'helo', 'mail', 'rcpt', 'data', 'queue'] as const
  const tagging = hooks.map((hook) => acting(hook, { kind: 'tag', name: `seen-${hook}`, value: 'yes' }))
  const { server, message } = await send(tagging)
  const names = (tags: readonly { readonly name: string }[]): readonly string[] =>
    tags.map(({ name }) => name)
  const told = (hook: HookName): readonly string[] => {
    const { event } = server.panel.events.findLast((one) => one.hook === hook) as { event: object }
    if ('transaction' in event) return names((event as MailEvent).transaction.tags)
    return names((event as QueueEvent).origin.tags)
  }
  const all = hooks.map((hook) => `seen-${hook}`)
  assert.deepEqual(told('mail'), all.slice(0, 2))
  assert.deepEqual(told('rcpt'), all.slice(0, 3))
  assert.deepEqual(told('data'), all.slice(0, 4))
  assert.deepEqual(told('queue'), all.slice(0, 5))
  assert.deepEqual(names(message?.origin.tags ?? []), all)
  assert.deepEqual(message?.origin.tags[0], { plugin: 'at-connect', name: 'seen-connect', value: 'yes' })
})

test('of more tags than one transaction has the last are left out, and told', async () => {
  const many = Array.from({ length: 33 }, (_, i): Action => ({ kind: 'tag', name: `t${i}`, value: '' }))
  const { server, message } = await send([acting('data', ...many)])
  assert.equal(message?.origin.tags.length, 32)
  assert.deepEqual(
    server.logged('tag-ignored').map(({ plugin, name }) => [plugin, name]),
    [['at-data', 't32']],
  )
})
