import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseProxyHeader } from '../../../core/smtp/proxy-header.ts'
import type { RawClient } from '../../support/raw-client.ts'
import { TestServer } from './test-server.ts'

const SIGNATURE = '0d0a0d0a000d0a515549540a'
/** 192.0.2.7:40000 to 192.0.2.1:25. */
const FOUR = 'c0000207c00002019c400019'
/** [2001:db8::7]:40000 to [2001:db8::1]:25. */
const SIX = '20010db8000000000000000000000007' + '20010db8000000000000000000000001' + '9c400019'

/** A header of version 2: command, family, and the block behind its length. */
function binary(command: string, family: string, block: string, length = block.length / 2): Buffer {
  return Buffer.from(`${SIGNATURE}${command}${family}${length.toString(16).padStart(4, '0')}${block}`, 'hex')
}

const line = (text: string): Buffer => Buffer.from(`${text}\r\n`, 'latin1')

const clients: readonly (readonly [what: string, header: Buffer, address: string])[] = [
  ['version 1, IPv4', line('PROXY TCP4 192.0.2.7 192.0.2.1 40000 25'), '192.0.2.7'],
  ['version 1, IPv6', line('PROXY TCP6 2001:DB8:0::7 2001:db8::1 40000 25'), '2001:db8::7'],
  ['version 1, IPv4-mapped', line('PROXY TCP6 ::ffff:192.0.2.7 ::1 40000 25'), '192.0.2.7'],
  ['version 2, IPv4', binary('21', '11', FOUR), '192.0.2.7'],
  ['version 2, IPv6', binary('21', '21', SIX), '2001:db8::7'],
  ['version 2, an unknown TLV', binary('21', '11', `${FOUR}ee0002abcd`), '192.0.2.7'],
  ['version 2, an empty TLV', binary('21', '11', `${FOUR}040000`), '192.0.2.7'],
]

for (const [what, header, address] of clients)
  test(`${what}: the client is ${address}`, () => {
    const found = parseProxyHeader(Buffer.concat([header, Buffer.from('EHLO x\r\n')]))
    assert.deepEqual(found, { kind: 'client', length: header.length, address, port: 40_000 })
  })

for (const [what, header] of [
  ['UNKNOWN', line('PROXY UNKNOWN')],
  ['UNKNOWN with addresses', line('PROXY UNKNOWN ffff::1 ffff::2 65535 65535')],
  ['LOCAL of no length', binary('20', '00', '')],
  ['LOCAL with addresses', binary('20', '11', FOUR)],
  ['PROXY about nothing', binary('21', '00', '')],
] as const)
  test(`${what}: the proxy speaks for itself`, () => {
    assert.deepEqual(parseProxyHeader(header), { kind: 'none', length: header.length })
  })

for (const [what, header] of [
  ['SMTP', Buffer.from('EHLO client.example\r\n')],
  ['small letters', line('proxy TCP4 192.0.2.7 192.0.2.1 40000 25')],
  ['a family that is not that of the address', line('PROXY TCP4 2001:db8::7 192.0.2.1 40000 25')],
  ['an address with a zone', line('PROXY TCP6 fe80::1%eth0 2001:db8::1 40000 25')],
  ['an octet above 255', line('PROXY TCP4 192.0.2.256 192.0.2.1 40000 25')],
  ['a port above 65535', line('PROXY TCP4 192.0.2.7 192.0.2.1 65536 25')],
  ['a port with a zero in front', line('PROXY TCP4 192.0.2.7 192.0.2.1 040000 25')],
  ['a field too many', line('PROXY TCP4 192.0.2.7 192.0.2.1 40000 25 26')],
  ['two spaces', line('PROXY TCP4  192.0.2.7 192.0.2.1 40000 25')],
  ['a line without an end', Buffer.from(`PROXY TCP4 ${'1'.repeat(100)}`)],
  ['a line of 108 octets', line(`PROXY UNKNOWN ${'x'.repeat(92)}`)],
  ['version 2 of no length', binary('21', '11', '')],
  ['version 2 cut short', binary('21', '11', FOUR.slice(2))],
  ['version 2 IPv6 with the length of IPv4', binary('21', '21', FOUR)],
  ['version 2 over UDP', binary('21', '12', FOUR)],
  ['version 2 over a Unix socket', binary('21', '31', '00'.repeat(216))],
  ['version 3', binary('31', '11', FOUR)],
  ['an unknown command', binary('22', '11', FOUR)],
  ['a length above 4096', binary('21', '11', FOUR, 4_097)],
  ['a TLV longer than the header', binary('21', '11', `${FOUR}ee0009abcd`)],
  ['half the head of a TLV', binary('21', '11', `${FOUR}ee00`)],
] as const)
  test(`${what} is no PROXY header`, () => assert.equal(parseProxyHeader(header).kind, 'refused'))

test('of a header that is not whole yet, more is wanted, wherever it ends', () => {
  for (const [, header] of clients)
    for (let length = 0; length < header.length; length++)
      assert.deepEqual(parseProxyHeader(header.subarray(0, length)), { kind: 'more' }, `${length} octets`)
})

test('no octets make the parser throw, or wait beyond the longest header', () => {
  const start = fc.constantFrom(Buffer.alloc(0), Buffer.from('PROXY '), Buffer.from(SIGNATURE, 'hex'))
  fc.assert(
    fc.property(start, fc.uint8Array({ minLength: 4_200, maxLength: 4_300 }), (first, then) => {
      assert.notEqual(parseProxyHeader(Buffer.concat([first, then])).kind, 'more')
    }),
  )
})

const PROXIED = { role: 'mx', address: '127.0.0.1:25', tls: 'off', proxy: ['127.0.0.0/8'] } as const

async function behindProxy(server: TestServer, pieces: readonly Buffer[]): Promise<RawClient> {
  const client = await server.connect()
  for (const piece of pieces) {
    client.raw(piece.toString('latin1'))
    await new Promise((resolve) => setImmediate(resolve))
  }
  return client
}

test('a header split at any octet is read, and the client it names is the client', async () => {
  const server = await TestServer.start({ listener: PROXIED })
  try {
    for (const [, header, address] of clients.filter(([what]) => !what.includes('TLV'))) {
      for (let at = 0; at <= header.length; at += 3) {
        const client = await behindProxy(server, [header.subarray(0, at), header.subarray(at)])
        assert.match(await client.reply(), /^220 /)
        await client.ask('QUIT')
        await client.closed()
      }
      assert.equal(server.logged('session-ended').at(-1)?.['client'], address)
    }
  } finally {
    await server.stop()
  }
})

test('what stands behind the header in one segment is heard: talk before the greeting is refused', async () => {
  const server = await TestServer.start({ listener: PROXIED })
  try {
    const header = clients[0]?.[1] as Buffer
    const client = await behindProxy(server, [Buffer.concat([header, Buffer.from('EHLO x\r\n')])])
    assert.match(await client.reply(), /^421 4\.5\.1 /)
  } finally {
    await server.stop()
  }
})

for (const [what, proxy, said] of [
  ['without a header', ['127.0.0.0/8'], Buffer.from('EHLO client.example\r\n')],
  ['from elsewhere', ['192.0.2.0/24'], line('PROXY TCP4 192.0.2.7 192.0.2.1 40000 25')],
] as const)
  test(`a connection ${what} is closed without a word, and logged`, async () => {
    const server = await TestServer.start({ listener: { ...PROXIED, proxy } })
    try {
      const client = await behindProxy(server, [said])
      assert.equal(await client.closed(), '')
      assert.equal(server.logged('proxy-refused').length, 1)
      assert.equal(server.smtp.counters.sessions, 0)
    } finally {
      await server.stop()
    }
  })
