import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AddressPolicy } from '../../../core/dns/address-policy.ts'

const policy = new AddressPolicy({
  listeners: [
    { address: '203.0.113.25', port: 25 },
    { address: '0.0.0.0', port: 587 },
    { address: '::', port: 465 },
  ],
  ownAddresses: ['203.0.113.25', '198.51.100.7', '2001:db8::25'],
  allowedNetworks: [],
})

const cases: readonly (readonly [address: string, reason: string | null])[] = [
  ['192.0.2.1', null],
  ['8.8.8.8', null],
  ['2a00:1450:4001::1a', null],
  ['2001:db8::1', null],
  ['0.0.0.0', 'an unspecified address'],
  ['0.1.2.3', 'an unspecified address'],
  ['127.0.0.1', 'a loopback address'],
  ['127.255.255.255', 'a loopback address'],
  ['128.0.0.0', null],
  ['9.255.255.255', null],
  ['10.0.0.0', 'a private address'],
  ['10.255.255.255', 'a private address'],
  ['11.0.0.0', null],
  ['172.15.255.255', null],
  ['172.16.0.0', 'a private address'],
  ['172.31.255.255', 'a private address'],
  ['172.32.0.0', null],
  ['192.167.255.255', null],
  ['192.168.0.0', 'a private address'],
  ['192.169.0.0', null],
  ['100.64.0.1', 'a shared address of a provider'],
  ['100.128.0.0', null],
  ['169.254.169.254', 'a link-local address'],
  ['168.63.129.16', "an address of the machine's provider"],
  ['168.63.129.17', null],
  ['2001::1', 'a Teredo address'],
  ['2001:0:53aa:64c::1', 'a Teredo address'],
  ['2001:1::1', null],
  ['::ffff:168.63.129.16', "an address of the machine's provider in IPv4-mapped form"],
  ['198.18.0.1', 'an address for benchmarks'],
  ['198.20.0.0', null],
  ['223.255.255.255', null],
  ['224.0.0.1', 'a multicast address'],
  ['240.0.0.1', 'a reserved address'],
  ['255.255.255.255', 'a reserved address'],
  ['::', 'an unspecified address'],
  ['::1', 'a loopback address'],
  ['fe80::1', 'a link-local address'],
  ['fe80::1%eth0', 'a link-local address'],
  ['fec0::1', 'a private address'],
  ['fc00::1', 'a private address'],
  ['fdff::1', 'a private address'],
  ['ff02::1', 'a multicast address'],
  ['100::1', 'no global unicast address'],
  ['64:ff9b:1::a00:1', 'no global unicast address'],
  ['4000::1', 'no global unicast address'],
  ['::ffff:127.0.0.1', 'a loopback address in IPv4-mapped form'],
  ['::ffff:7f00:1', 'a loopback address in IPv4-mapped form'],
  ['0:0:0:0:0:ffff:10.0.0.1', 'a private address in IPv4-mapped form'],
  ['::ffff:192.0.2.1', null],
  ['::ffff:0:127.0.0.1', 'a loopback address in IPv4-translated form'],
  ['::127.0.0.1', 'a loopback address in IPv4-compatible form'],
  ['64:ff9b::10.0.0.1', 'a private address in NAT64 form'],
  ['64:ff9b::192.0.2.1', null],
  ['2002:7f00:1::', 'a loopback address in 6to4 form'],
  ['2002:c0a8:101::1', 'a private address in 6to4 form'],
  ['2002:c000:201::1', null],
  ['mx.test', 'no address'],
  ['', 'no address'],
  ['127.1', 'no address'],
  ['0x7f000001', 'no address'],
]
for (const [address, reason] of cases) {
  test(`${address || 'nothing'}: ${reason ?? 'may be a next hop'}`, () => {
    assert.equal(policy.whyNot(address, 26), reason)
  })
}

const own: readonly (readonly [address: string, port: number, reason: string | null])[] = [
  ['203.0.113.25', 25, 'an address of our own'],
  ['::ffff:203.0.113.25', 25, 'an address of our own'],
  ['64:ff9b::203.0.113.25', 25, 'an address of our own'],
  ['203.0.113.25', 26, null],
  ['198.51.100.7', 25, null],
  ['198.51.100.7', 587, 'an address of our own'],
  ['2001:db8::25', 587, null],
  ['2001:db8:0:0::25', 465, 'an address of our own'],
  ['198.51.100.7', 465, 'an address of our own'],
  ['192.0.2.1', 587, null],
  ['127.0.0.9', 587, 'an address of our own'],
]
for (const [address, port, reason] of own) {
  test(`${address} port ${port}, where we listen or not: ${reason ?? 'may be a next hop'}`, () => {
    assert.equal(policy.whyNot(address, port), reason)
    assert.equal(policy.isOurselves(address, port), reason !== null)
  })
}

test('allowed networks are next hops, ourselves still not', () => {
  const lenient = new AddressPolicy({
    listeners: [{ address: '127.0.0.1', port: 2525 }],
    ownAddresses: [],
    allowedNetworks: ['127.0.0.0/8', '10.1.2.3', 'fd00::/64'],
  })
  assert.equal(lenient.whyNot('127.0.0.1', 25), null)
  assert.equal(lenient.whyNot('::ffff:127.0.0.1', 25), null)
  assert.equal(lenient.whyNot('127.0.0.1', 2525), 'an address of our own')
  assert.equal(lenient.whyNot('10.1.2.3', 25), null)
  assert.equal(lenient.whyNot('10.1.2.4', 25), 'a private address')
  assert.equal(lenient.whyNot('fd00::9', 25), null)
  assert.equal(lenient.whyNot('fd00:0:0:1::9', 25), 'a private address')
})

test('a network that is none is refused', () => {
  const options = { listeners: [], ownAddresses: [], allowedNetworks: ['10.0.0.0/33'] }
  assert.throws(() => new AddressPolicy(options))
})
