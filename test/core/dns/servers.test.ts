import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { isBelieved, parseResolvConf, systemServers } from '../../../core/dns/servers.ts'

test('nameserver lines are read as the C library reads them', () => {
  const text = [
    '# nameserver 192.0.2.9',
    ' nameserver\t192.0.2.1 ',
    'nameserver 2001:db8::1\r',
    'nameserver not-an-address',
    'nameserver fe80::1%eth0',
    'nameserver 192.0.2.4',
    'search example.test',
  ].join('\n')
  assert.deepEqual(
    parseResolvConf(text).map(({ host, port }) => `${host} ${port}`),
    ['192.0.2.1 53', '2001:db8::1 53', 'fe80::1%eth0 53'],
  )
})

test('without any the resolver of this machine is asked', () => {
  const here = [{ host: '127.0.0.1', port: 53, isValidating: false }]
  assert.deepEqual(parseResolvConf(''), here)
  assert.deepEqual(systemServers(join(import.meta.dirname, 'there-is-no-such-file')), here)
})

test('a server is believed on loopback, or when somebody says so', () => {
  const [trusted] = parseResolvConf('options edns0 trust-ad\nnameserver 192.0.2.1')
  assert.equal(trusted !== undefined && isBelieved(trusted), true)
  assert.equal(isBelieved({ host: '192.0.2.1', port: 53 }), false)
  assert.equal(isBelieved({ host: '127.0.0.53', port: 53 }), true)
  assert.equal(isBelieved({ host: '::1', port: 53 }), true)
})
