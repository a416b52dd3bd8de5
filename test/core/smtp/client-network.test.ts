import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalAddress, clientOf, TrustedNetworks } from '../../../core/smtp/client-network.ts'

for (const [address, canonical, network] of [
  ['192.0.2.1', '192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1', '192.0.2.1'],
  ['::FFFF:C000:0201', '192.0.2.1', '192.0.2.1'],
  ['2001:DB8:0:0:0:0:0:1', '2001:db8::1', '2001:db8::/64'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:0:2::6', '2001:db8:0:2::6', '2001:db8:0:2::/64'],
  ['::1', '::1', '::/64'],
  ['fe80::1%eth0', 'fe80::1', 'fe80::/64'],
] as const) {
  test(`${address} is ${canonical} in ${network}`, () => {
    assert.deepEqual(clientOf(address, 25), { address: canonical, port: 25, network })
  })
}

test('what is no address is no client', () => assert.throws(() => canonicalAddress('x:y')))

test('networks and single addresses are trusted, the first and last of a network too', () => {
  const trusted = new TrustedNetworks(['192.0.2.0/29', '198.51.100.7', '2001:db8::/32', '::1'])
  const yes = ['192.0.2.0', '192.0.2.7', '198.51.100.7', '2001:db8:ffff::1', '::1']
  const no = ['192.0.1.255', '192.0.2.8', '198.51.100.8', '2001:db9::1', '::2']
  assert.deepEqual(
    yes.map((address) => trusted.has(address)),
    yes.map(() => true),
  )
  assert.deepEqual(
    no.map((address) => trusted.has(address)),
    no.map(() => false),
  )
})

test('nobody is trusted by default', () => assert.equal(new TrustedNetworks([]).has('127.0.0.1'), false))
