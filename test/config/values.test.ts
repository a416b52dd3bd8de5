/** Durations, sizes, networks, addresses to listen on: what is read, what is refused, and what is written again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatDuration, parseDuration } from '../../config/durations.ts'
import { endpointsClash, formatEndpoint, parseDnsServer, parseEndpoint } from '../../config/endpoint.ts'
import { formatNetwork, isOpenToTheInternet, parseNetwork } from '../../config/network.ts'
import { formatSize, parseSize } from '../../config/sizes.ts'
import { closest } from '../../config/suggestion.ts'

const durations: readonly (readonly [text: string, ms: number | null])[] = [
  ['250ms', 250],
  ['60s', 60_000],
  ['1m', 60_000],
  ['2h', 7_200_000],
  ['5d', 432_000_000],
  ['0s', 0],
  ['999999999999ms', 999_999_999_999],
  ['999999999999d', null],
  ['60', null],
  ['1.5h', null],
  ['-1s', null],
  ['1h30m', null],
  ['1 h', null],
  ['1H', null],
  ['', null],
  ['s', null],
]
for (const [text, ms] of durations)
  test(`duration "${text}": ${ms ?? 'refused'}`, () => assert.equal(parseDuration(text), ms))

test('a duration is written so that it is read again as the same, with the largest unit that fits', () => {
  fc.assert(fc.property(fc.nat(2 ** 40), (ms) => parseDuration(formatDuration(ms)) === ms))
  assert.deepEqual([86_400_000, 90_000, 90_001, 3_600_000, 0].map(formatDuration), [
    '1d',
    '90s',
    '90001ms',
    '1h',
    '0s',
  ])
})

const sizes: readonly (readonly [value: string | number, bytes: number | null])[] = [
  ['25MiB', 26_214_400],
  ['256KiB', 262_144],
  ['1GiB', 1_073_741_824],
  ['10KB', 10_000],
  ['10MB', 10_000_000],
  ['1GB', 1_000_000_000],
  ['5B', 5],
  ['5', 5],
  [5, 5],
  [0, 0],
  [-1, null],
  [1.5, null],
  [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  [Number.MAX_SAFE_INTEGER + 1, null],
  ['999999999999999GiB', null],
  ['25M', null],
  ['25 MiB', null],
  ['25mib', null],
  ['', null],
]
for (const [value, bytes] of sizes)
  test(`size ${JSON.stringify(value)}: ${bytes ?? 'refused'}`, () => assert.equal(parseSize(value), bytes))

test('a size is written so that it is read again as the same', () => {
  fc.assert(fc.property(fc.nat(2 ** 40), (bytes) => parseSize(formatSize(bytes)) === bytes))
  assert.deepEqual([0, 1000, 1024, 1_572_864, 2 ** 30].map(formatSize), [0, 1000, '1KiB', '1536KiB', '1GiB'])
})

const networks: readonly (readonly [text: string, result: string])[] = [
  ['10.0.0.0/8', '10.0.0.0/8'],
  ['192.0.2.7', '192.0.2.7/32'],
  ['192.0.2.7/32', '192.0.2.7/32'],
  ['0.0.0.0/0', '0.0.0.0/0'],
  ['::1', '::1/128'],
  ['2001:DB8::/32', '2001:db8::/32'],
  ['2001:db8:0:0:1:0:0:0/80', '2001:db8:0:0:1::/80'],
  ['64:ff9b::192.0.2.0/120', '64:ff9b::c000:200/120'],
  ['192.0.2.7/24', 'refused: the network of that size is 192.0.2.0/24'],
  ['2001:db8::1/64', 'refused: the network of that size is 2001:db8::/64'],
  ['::ffff:192.0.2.7', 'refused: IPv4 clients are known by their IPv4 address, write that'],
  ['::ffff:0:0/96', 'refused: IPv4 clients are known by their IPv4 address, write that'],
  ['10.0.0.0/33', 'refused: the part after "/" is not a number from 0 to 32'],
  ['::/129', 'refused: the part after "/" is not a number from 0 to 128'],
  ['10.0.0.0/08', 'refused: the part after "/" is not a number from 0 to 32'],
  ['10.0.0.0/', 'refused: the part after "/" is not a number from 0 to 32'],
  ['10.0.0.0/8/8', 'refused: the part after "/" is not a number from 0 to 32'],
  ['10.0.0/8', 'refused: the part before "/" is not an IP address'],
  ['fe80::1%eth0', 'refused: the part before "/" is not an IP address'],
  ['', 'refused: the part before "/" is not an IP address'],
]
for (const [text, result] of networks)
  test(`network "${text}": ${result}`, () => {
    const network = parseNetwork(text)
    assert.equal(typeof network === 'string' ? `refused: ${network}` : formatNetwork(network), result)
  })

const trusted: readonly (readonly [text: string, isOpen: boolean])[] = [
  ['0.0.0.0/0', true],
  ['0.0.0.0/7', true],
  ['10.0.0.0/8', false],
  ['::/0', true],
  ['2000::/3', true],
  ['2000::/15', true],
  ['2001::/16', false],
  ['fc00::/7', false],
  ['fc00::/6', true],
  ['fe80::/10', false],
  ['fe00::/9', true],
]
for (const [text, isOpen] of trusted)
  test(`trusting ${text} ${isOpen ? 'makes an open relay' : 'is allowed'}`, () => {
    const network = parseNetwork(text)
    assert.ok(typeof network !== 'string')
    assert.equal(isOpenToTheInternet(network), isOpen)
  })

const endpoints: readonly (readonly [text: string, result: string])[] = [
  ['127.0.0.1:2525', '127.0.0.1:2525'],
  ['0.0.0.0:0', '0.0.0.0:0'],
  ['0.0.0.0:65535', '0.0.0.0:65535'],
  ['localhost:25', '127.0.0.1:25'],
  ['[::1]:25', '[::1]:25'],
  ['[2001:DB8:0::1]:25', '[2001:db8::1]:25'],
  ['127.0.0.1:65536', 'refused: a port is a number from 0 to 65535'],
  ['127.0.0.1', 'refused: it needs the form ADDRESS:PORT'],
  ['127.0.0.1:', 'refused: it needs the form ADDRESS:PORT'],
  ['127.0.0.1:25x', 'refused: it needs the form ADDRESS:PORT'],
  ['2001:db8::1:25', 'refused: an IPv6 address stands in brackets'],
  ['[127.0.0.1]:25', 'refused: there is no IPv6 address in the brackets'],
  ['[fe80::1%eth0]:25', 'refused: there is no IPv6 address in the brackets'],
  ['mx.example.test:25', 'refused: the part before the port is not an IP address'],
  [':25', 'refused: the part before the port is not an IP address'],
]
for (const [text, result] of endpoints)
  test(`listening on "${text}": ${result}`, () => {
    const endpoint = parseEndpoint(text)
    assert.equal(typeof endpoint === 'string' ? `refused: ${endpoint}` : formatEndpoint(endpoint), result)
  })

const resolvers: readonly (readonly [text: string, result: string])[] = [
  ['192.0.2.53', '192.0.2.53:53'],
  ['192.0.2.53:5353', '192.0.2.53:5353'],
  ['2001:DB8::53', '[2001:db8::53]:53'],
  ['[2001:db8::53]', '[2001:db8::53]:53'],
  ['[2001:db8::53]:5353', '[2001:db8::53]:5353'],
  ['192.0.2.53:0', 'refused: a port is a number from 1 to 65535'],
  ['192.0.2.53:65536', 'refused: a port is a number from 0 to 65535'],
  ['dns.example.test', 'refused: it is no IP address'],
  ['dns.example.test:53', 'refused: the part before the port is not an IP address'],
  ['fe80::1%eth0', 'refused: it is no IP address'],
  ['', 'refused: it is no IP address'],
]
for (const [text, result] of resolvers)
  test(`asking the resolver "${text}": ${result}`, () => {
    const server = parseDnsServer(text)
    assert.equal(typeof server === 'string' ? `refused: ${server}` : formatEndpoint(server), result)
  })

const pairs: readonly (readonly [a: string, b: string, clash: boolean])[] = [
  ['127.0.0.1:25', '127.0.0.1:25', true],
  ['127.0.0.1:25', '127.0.0.1:26', false],
  ['127.0.0.1:25', '127.0.0.2:25', false],
  ['0.0.0.0:25', '127.0.0.1:25', true],
  ['[::1]:25', '[::]:25', true],
  ['0.0.0.0:25', '[::]:25', false],
  ['[::]:25', '127.0.0.1:25', false],
  ['127.0.0.1:0', '127.0.0.1:0', false],
]
for (const [a, b, clash] of pairs)
  test(`${a} and ${b} ${clash ? 'cannot' : 'can'} be listened on together`, () => {
    const [one, other] = [parseEndpoint(a), parseEndpoint(b)]
    assert.ok(typeof one !== 'string' && typeof other !== 'string')
    assert.deepEqual([endpointsClash(one, other), endpointsClash(other, one)], [clash, clash])
  })

const names = ['hostname', 'listeners', 'limits', 'relay', 'log', 'messageBytes']
const meant: readonly (readonly [name: string, candidate: string | null])[] = [
  ['hostname', 'hostname'],
  ['hostnme', 'hostname'],
  ['hsotname', 'hostname'],
  ['Listener', 'listeners'],
  ['message_bytes', 'messageBytes'],
  ['message-bites', 'messageBytes'],
  ['lgo', 'log'],
  ['dog', 'log'],
  ['cat', null],
  ['hostnameOfMine', null],
  ['', null],
]
for (const [name, candidate] of meant)
  test(`who wrote "${name}" meant ${candidate ?? 'none of the names there are'}`, () => {
    assert.equal(closest(name, names), candidate)
  })

test('of two names that are close, the closer one was meant', () => {
  assert.equal(closest('retrys', ['retries', 'retry']), 'retry')
  assert.equal(closest('retrys', ['retry', 'retries']), 'retry')
})
