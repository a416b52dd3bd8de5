/** Any report at all, for properties. */
import fc from 'fast-check'
import type { DsnReport, ReportedRecipient } from '../../../core/mail/dsn-report.ts'
import { bytes, MESSAGE } from './dsn-report-under-test.ts'

const BREAKERS = [
  'a',
  '\r',
  '\n',
  '\r\n',
  ':',
  '<',
  '>',
  '"',
  ';',
  ',',
  ' ',
  '\t',
  '\0',
  '--=_postern_seed',
  'X-Evil: y',
]
const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 600 }),
  fc.array(fc.constantFrom(...BREAKERS), { maxLength: 60 }).map((pieces) => pieces.join('')),
)
const time = fc.integer({ min: 0, max: 4_102_444_800_000 })
const facts = {
  address: hostile,
  orcpt: fc.option(fc.record({ type: hostile, address: hostile })),
  status: hostile,
  lastWord: fc.oneof(
    fc.record({ kind: fc.constant('reply' as const), host: hostile, text: hostile }),
    fc.record({ kind: fc.constant('own' as const), host: fc.option(hostile), text: hostile }),
  ),
  lastAttemptAt: fc.option(time),
}
const anyRecipient: fc.Arbitrary<ReportedRecipient> = fc.oneof(
  fc.record({ ...facts, action: fc.constant('failed' as const), expired: fc.boolean() }),
  fc.record({ ...facts, action: fc.constant('delayed' as const), retryUntil: time }),
  fc.record({ ...facts, action: fc.constantFrom('relayed' as const, 'delivered' as const) }),
)
/** Reports whose every text is anybody's. */
export const anyReport: fc.Arbitrary<DsnReport> = fc.record({
  hostname: hostile,
  postmaster: hostile,
  to: fc.record({ localPart: fc.string({ unit: 'binary', minLength: 1 }), domain: hostile }),
  at: time,
  seed: fc.oneof(hostile, fc.constant('seed')),
  queueId: hostile,
  arrivedAt: time,
  envelope: fc.record({ ret: fc.constantFrom('FULL', 'HDRS', null), envid: fc.option(hostile) }),
  recipients: fc.tuple(anyRecipient, anyRecipient),
  original: fc.record({
    bytes: fc.oneof(fc.uint8Array({ maxLength: 400 }), hostile.map(bytes), fc.constant(bytes(MESSAGE))),
    isWhole: fc.boolean(),
  }),
})
