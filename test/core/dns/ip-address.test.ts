import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressBytes, addressText, reverseName } from '../../../core/dns/ip-address.ts'

for (const { text, hex, canonical = text } of [
  { text: '192.0.2.1', hex: 'c0000201' },
  { text: '0.0.0.0', hex: '00000000' },
  { text: '::', hex: '0'.repeat(32) },
  { text: '::1', hex: `${'0'.repeat(31)}1` },
  { text: '2001:DB8:0:0:0:0:0:1', hex: '20010db8000000000000000000000001', canonical: '2001:db8::1' },
  { text: '2001:db8::', hex: '20010db8000000000000000000000000' },
  { text: 'fe80::1%eth0', hex: 'fe800000000000000000000000000001', canonical: 'fe80::1' },
  { text: '::ffff:192.0.2.1', hex: '00000000000000000000ffffc0000201' },
  { text: '1:2:3:4:5:6:7:8', hex: '00010002000300040005000600070008' },
  {
    text: '1:2:3:4:5:6:192.0.2.1',
    hex: '000100020003000400050006c0000201',
    canonical: '1:2:3:4:5:6:c000:201',
  },
]) {
  test(`${text} is read and written as ${canonical}`, () => {
    const bytes = addressBytes(text)
    assert.ok(bytes !== null)
    assert.equal(Buffer.from(bytes).toString('hex'), hex)
    assert.equal(addressText(bytes), canonical)
  })
}

for (const text of ['', '1.2.3', '1.2.3.256', '01.2.3.4', ':::', '1:2', 'g::1', '[::1]', '::1 ']) {
  test(`"${text}" is no address`, () => {
    assert.equal(addressBytes(text), null)
    assert.equal(reverseName(text), null)
  })
}

test('reverse names', () => {
  assert.equal(reverseName('192.0.2.1'), '1.2.0.192.in-addr.arpa')
  assert.equal(
    reverseName('2001:db8::567:89ab'),
    'b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa',
  )
})
