/**
 * Collections of the work of others, and which test runs each file of them. With POSTERN_CORPORA, a folder that has all
 * of them, nothing in it may be without a line here, and the copies in the fixtures are what it has.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { CORPORA, fixture, isFixture } from './folder.ts'

const HERE = 'test/conformance/corpora'

/** The test that runs a folder's files, which are copied to the fixtures under the same name, or another. */
const RUN: Readonly<Record<string, readonly [test: string, fixture?: string]>> = {
  'addresses/isemail.json': ['test/core/mail/address.test.ts'],
  'haraka/envelope-addresses.json': [`${HERE}/haraka.test.ts`],
  'haraka/header-decode.json': [`${HERE}/haraka.test.ts`],
  'haraka/line-endings-dot-stuffing.json': [`${HERE}/haraka.test.ts`],
  'haraka/mail-rcpt-params.json': [`${HERE}/haraka.test.ts`],
  'haraka/outbound-dialogues.json': [`${HERE}/haraka.test.ts`],
  'open-relay/patterns.json': ['test/flow/open-relay.test.ts'],
  'smtp-smuggling/payloads.json': ['test/core/smtp/smuggling.test.ts'],
  'vectors/chasquid-dotreader.json': [`${HERE}/vectors.test.ts`],
  'vectors/chasquid-haproxy-TestBasic.json': [`${HERE}/vectors.test.ts`],
  'vectors/chasquid-normalize-TestAddr.json': [`${HERE}/vectors.test.ts`],
  'vectors/mox-smtp-address.json': [`${HERE}/vectors.test.ts`],
  'vectors/mox-smtp-data-writer.json': [`${HERE}/vectors.test.ts`],
  ...Object.fromEntries(
    'auth_multi_dialog auth_too_many_failures bad_data_dot bad_data_dot_on_message_too_big bad_rcpt_to empty_helo line_too_long sendmail wrong_proto'
      .split(' ')
      .map((name) => [
        `smtp-dialogs/t-12-minor_dialogs/${name}.cmy`,
        [`${HERE}/smtp-dialogs.test.ts`, `smtp-dialogs/${name}.cmy`] as const,
      ]),
  ),
}

/** What there is nothing to run against. */
const NOT_RUN: Readonly<Record<string, string>> = {
  'smtp-dialogs/t-04-aliases/test_chasquid_util.cmy': 'speaks to a program of chasquid’s, not to a server',
  'haraka/header-addresses.json':
    'no part reads mailbox lists of header fields; plugins see fields as they are',
  'haraka/retry-intervals.json': 'a format of Haraka’s; queue.retry is a list of waits (config/formats.ts)',
  'vectors/chasquid-envelope-TestSplit.json': 'is empty',
  'vectors/chasquid-normalize-TestDomainToUnicode.json':
    'domains are A-labels from the client to the next server (RFC 5891 §4.4), so nothing turns one into U-labels',
  'vectors/chasquid-normalize-TestUser.json':
    'names are compared as SASLprep leaves them (RFC 4616 §2), which keeps case: test/core/credentials/saslprep.test.ts',
  'vectors/chasquid-sts-TestHasSTSRecord.json': 'no part asks for MTA-STS',
  'vectors/chasquid-sts-TestMatchDomain.json': 'no part asks for MTA-STS',
  'vectors/mailauth-dmarc-rfc9989-disputed.json': 'no part evaluates DMARC',
  'vectors/mailauth-dmarc-rfc9989.json': 'no part evaluates DMARC',
  'vectors/mox-dkim-key-record.json': 'no part reads DKIM',
  'vectors/mox-dkim-signature.json': 'no part reads DKIM',
  'vectors/mox-dmarc-record.json': 'no part evaluates DMARC',
  'vectors/mox-mtasts-match.json': 'no part asks for MTA-STS',
  'vectors/mox-mtasts-policy.json': 'no part asks for MTA-STS',
  'vectors/mox-mtasts-record.json': 'no part asks for MTA-STS',
  'vectors/mox-spf-record.json': 'no part evaluates SPF',
  'vectors/mox-tlsrpt-record.json': 'no part sends TLS reports',
}

const FOLDERS = ['addresses', 'haraka', 'open-relay', 'smtp-dialogs', 'smtp-smuggling', 'vectors']

for (const [file, [runner, copy = file]] of Object.entries(RUN)) {
  test(`${file} is in the fixtures, and ${runner} reads it`, () => {
    assert.ok(isFixture(copy))
    const source = readFileSync(join(import.meta.dirname, '..', '..', '..', runner), 'utf8')
    assert.ok(
      source.includes(copy.split('/').at(-1) as string) || source.includes(copy.split('/')[0] as string),
    )
  })
}

test('every file of the collections is run or is said not to be', {
  skip: CORPORA === undefined && 'POSTERN_CORPORA names no folder',
}, () => {
  const folder = CORPORA as string
  const files = FOLDERS.flatMap((name) =>
    readdirSync(join(folder, name), { recursive: true, withFileTypes: true }),
  )
    .filter((entry) => entry.isFile() && !entry.name.startsWith('LICENSE'))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
  assert.deepEqual(files.toSorted(), [...Object.keys(RUN), ...Object.keys(NOT_RUN)].toSorted())
})

test('the copies are what the collections have', {
  skip: CORPORA === undefined && 'POSTERN_CORPORA names no folder',
}, () => {
  for (const [file, [, copy = file]] of Object.entries(RUN)) {
    const path = join(CORPORA as string, file)
    assert.ok(statSync(path).size > 0)
    const same = file.endsWith('.json')
      ? JSON.stringify(JSON.parse(readFileSync(path, 'utf8'))) === JSON.stringify(JSON.parse(fixture(copy)))
      : readFileSync(path, 'utf8') === fixture(copy)
    assert.ok(same, file)
  }
})
