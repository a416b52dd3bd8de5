/** Tables of chasquid's and mox's tests, and why we differ where we do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DotStuffing } from '../../../core/delivery/dot-stuffing.ts'
import { parseMailbox, parsePath } from '../../../core/mail/address.ts'
import { ContentCheck } from '../../../core/smtp/content-check.ts'
import { DataReader } from '../../../core/smtp/data-reader.ts'
import { parseProxyHeader } from '../../../core/smtp/proxy-header.ts'
import { fixtureJson } from './folder.ts'

interface Go {
  readonly go: string
}

interface MoxWriting {
  readonly kind: string
  readonly args: readonly [string, string | Go]
}

interface MoxAddress {
  readonly func: string
  readonly kind: string
  readonly args: readonly [string]
}

/** What becomes of content on the wire: whole, without an end so far, or refused. */
function received(wire: string): { readonly content: string; readonly error: string } {
  const reader = new DataReader()
  const content = reader.take(Buffer.from(wire, 'latin1'))
  if (new ContentCheck().take(content) !== null) return { content: '', error: 'errInvalidLineEnding' }
  if (reader.rest === null) return { content: '', error: 'io.ErrUnexpectedEOF' }
  // chasquid hands on lines that end in LF; what we store is what was sent.
  return { content: content.toString('latin1').replaceAll('\r\n', '\n'), error: 'nil' }
}

/** Wire, how much of it chasquid takes, content, error. */
const dots = fixtureJson<readonly (readonly [string, Go, string, Go])[]>('vectors/chasquid-dotreader.json')
for (const [wire, , content, { go }] of dots)
  test(`chasquid's reader of dots: ${JSON.stringify(wire)} is ${go}`, () => {
    assert.deepEqual(received(wire), { content: go === 'nil' ? content : '', error: go })
  })

const proxies = fixtureJson<readonly (readonly [string, Go])[]>('vectors/chasquid-haproxy-TestBasic.json')
for (const [line, { go }] of proxies)
  test(`chasquid's PROXY lines: ${JSON.stringify(line)} names ${go === 'nil' ? 'nobody' : go}`, () => {
    const header = parseProxyHeader(Buffer.from(`${line}\r\n`, 'latin1'))
    assert.equal(header.kind === 'client', go !== 'nil')
    // UNKNOWN is a header, about nobody (PROXY protocol §2.1); the rest is none.
    assert.equal(header.kind === 'none', line === 'PROXY UNKNOWN')
  })

/**
 * RFC 5321 §2.4: a local part means what its host says, so its case is kept and its octets as well. RFC 5891 §4.4: of a
 * domain there is one form to compare, A-labels; chasquid takes U-labels for it.
 */
const DOMAINS: Readonly<Record<string, string>> = { pampa: 'pampa', léa: 'xn--la-bja' }
const normalized = fixtureJson<readonly (readonly [string, string])[]>(
  'vectors/chasquid-normalize-TestAddr.json',
)
for (const [address] of normalized)
  test(`chasquid's normal form: ${address} keeps its local part, and its domain becomes A-labels`, () => {
    const [localPart, domain = ''] = address.split('@')
    const path = parsePath(`<${address}>`)
    assert.ok(path.ok)
    assert.deepEqual(path.address, { localPart, domain: DOMAINS[domain.normalize('NFC')] })
  })

const moxAddresses = fixtureJson<readonly MoxAddress[]>('vectors/mox-smtp-address.json')
for (const {
  func,
  kind,
  args: [text],
} of moxAddresses) {
  const address = func === 'TestParseLocalpart' ? `${text}@example.test` : text
  test(`mox's addresses: ${JSON.stringify(address)} is ${kind}`, () => {
    assert.equal(typeof parseMailbox(address) === 'object', kind === 'good')
  })
}

/** What mox refuses to send for its line ends is mended here: RFC 5321 §2.3.8 has none of it sent, and none is. */
const writers = fixtureJson<readonly MoxWriting[]>('vectors/mox-smtp-data-writer.json')
for (const { kind, args } of writers) {
  const [content, wire] = args
  test(`mox's writer: ${JSON.stringify(content)} leaves with line ends and dots that are right`, () => {
    const sent = new DotStuffing().take(Buffer.from(content, 'latin1')).toString('latin1')
    if (kind === 'check') assert.equal(`${sent}.\r\n`, wire)
    assert.doesNotMatch(sent, /\r(?!\n)|(?<!\r)\n/)
    assert.doesNotMatch(`\r\n${sent}`, /\r\n\.(?:\r|$)/)
  })
}
