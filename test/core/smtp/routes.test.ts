import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LocalDomains } from '../../../core/smtp/local-domains.ts'
import { chooseRoutes, configuredRoutes, isDiscard } from '../../../core/smtp/routes.ts'
import type { SmtpSettings } from '../../../core/smtp/settings.ts'

const settings = {
  hostname: 'MX.example.test',
  postmaster: null,
  domains: { 'Example.test': { deliver: 'smtp://192.0.2.1:25' } },
  outbound: { route: 'smtp://192.0.2.2:25' },
} as const satisfies Partial<SmtpSettings>
const domains = new LocalDomains(settings as unknown as SmtpSettings)

test('mail for our domains goes where the configuration says, the rest outbound', () => {
  assert.deepEqual(
    configuredRoutes(['a@example.test', 'b@other.test'], domains).map(({ route, domain }) => [
      route,
      domain.ours,
    ]),
    [
      ['smtp://192.0.2.1:25', true],
      ['smtp://192.0.2.2:25', false],
    ],
  )
})

test('with mx each domain that is not ours has its own route', () => {
  const everywhere = { ...settings, outbound: { route: 'mx' } }
  const local = new LocalDomains(everywhere as unknown as SmtpSettings)
  assert.deepEqual(
    ['example.test', 'other.test', '[192.0.2.7]', '[ipv6:2001:db8:0::7]', 'mx.example.test', ''].map((name) =>
      local.routeTo(name),
    ),
    ['smtp://192.0.2.1:25', 'mx:other.test', 'mx:[192.0.2.7]', 'mx:[IPv6:2001:db8::7]', null, null],
  )
})

test('nothing is sent to ourselves by way of outbound', () => {
  assert.equal(domains.routeTo('mx.example.test'), null)
})

test('a domain named like a member of every object is not ours', () => {
  for (const name of ['constructor', '__proto__', 'toString']) assert.equal(domains.isOurs(name), false)
})

test('postmaster is known in any case at our domains and our own name, and nowhere else', () => {
  assert.equal(domains.isPostmaster('PostMaster', 'example.test'), true)
  assert.equal(domains.isPostmaster('postmaster', 'mx.example.test'), true)
  assert.equal(domains.isPostmaster('postmaster', 'other.test'), false)
  assert.equal(domains.isPostmaster('postmaster1', 'example.test'), false)
})

test('the host postmaster is the configured mailbox, unless the host name is a domain of ours', () => {
  const forwarded = { ...settings, postmaster: 'Admin@Example.test' }
  assert.equal(new LocalDomains(forwarded as unknown as SmtpSettings).postmasterMailbox, 'Admin@example.test')
  const ours = { ...forwarded, domains: { 'mx.example.test': { deliver: 'discard:' } } }
  assert.equal(
    new LocalDomains(ours as unknown as SmtpSettings).postmasterMailbox,
    'postmaster@mx.example.test',
  )
  assert.equal(domains.postmasterMailbox, 'postmaster@mx.example.test')
})

test('the first choice for a recipient wins, a different later one is told', () => {
  const recipients = configuredRoutes(['a@example.test', 'b@example.test'], domains)
  const { routed, ignored } = chooseRoutes(recipients, [
    { plugin: 'one', destination: 'maildir:/one', recipients: ['a@example.test'] },
    { plugin: 'two', destination: 'maildir:/two', recipients: null },
    { plugin: 'three', destination: 'maildir:/two', recipients: null },
  ])
  assert.deepEqual(routed, [
    { address: 'a@example.test', route: 'maildir:/one' },
    { address: 'b@example.test', route: 'maildir:/two' },
  ])
  assert.deepEqual(
    ignored.map(({ plugin, recipient }) => [plugin, recipient]),
    [
      ['two', 'a@example.test'],
      ['three', 'a@example.test'],
    ],
  )
})

test('discard: in any case is settled at acceptance', () => {
  assert.deepEqual(['discard:', 'DISCARD:', 'maildir:/discard:'].map(isDiscard), [true, true, false])
})
