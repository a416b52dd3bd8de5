import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { buildDsn } from '../../../core/mail/dsn.ts'
import { anyReport } from './dsn-any-report.ts'
import { apart, assertLines } from './dsn-report-under-test.ts'

const HEADER_NAMES = new Set(
  'From To Subject Date Message-ID In-Reply-To References Auto-Submitted MIME-Version Content-Type Content-Transfer-Encoding'.split(
    ' ',
  ),
)
const STATUS_FIELD =
  /^(?:Original-Envelope-Id|Reporting-MTA|Arrival-Date|X-Postern-Queue-Id|Original-Recipient|Final-Recipient|Action|Status|Remote-MTA|Diagnostic-Code|Last-Attempt-Date|Will-Retry-Until): ?[\x20-\x7e]*$/

test('no text in any field adds a header field, a status field, a line end or a part', () => {
  fc.assert(
    fc.property(anyReport, (given) => {
      const dsn = buildDsn(given)
      assertLines(dsn)
      const { header, parts } = apart(dsn)
      assert.equal(parts.length, 3)
      assert.ok(header.every(([name]) => HEADER_NAMES.has(name)))
      assert.equal(new Set(header.map(([name]) => name)).size, header.length)
      const groups = (parts[1]?.content ?? '').replaceAll(/\r\n (?=\S)/g, ' ').split('\r\n\r\n')
      assert.equal(groups.length, 1 + given.recipients.length)
      const isGlobal = parts[1]?.fields.includes('message/global-delivery-status') ?? false
      for (const line of groups.flatMap((group) => group.split('\r\n')))
        if (line !== '') assert.match(isGlobal ? line.replace(/[\x80-\xff]/g, '?') : line, STATUS_FIELD)
      for (const { fields } of parts) assert.ok(fields.split('\r\n').length <= 4, fields)
      const words = parts[0]?.content.replaceAll('\r\n', '') ?? ''
      const isUtf8 = parts[0]?.fields.includes('Transfer-Encoding: 8bit') ?? false
      assert.match(isUtf8 ? words.replace(/[\x80-\xff]/g, '?') : words, /^[\x20-\x7e]*$/)
    }),
    { numRuns: 500 },
  )
})
