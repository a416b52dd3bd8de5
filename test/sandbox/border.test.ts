/** The border's own words: frames, what a plughost may say, patterns, permissions, a plugin's configuration. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { checkAnswer, isFault } from '../../sandbox/answers.ts'
import { completeConfiguration } from '../../sandbox/host/configuration.ts'
import { PatternSet } from '../../sandbox/pattern.ts'
import {
  effectivePermissions,
  missingGrants,
  parsePermissions,
  permissionSentences,
} from '../../sandbox/permissions.ts'
import { FrameBatch, FrameReader, MAX_FRAME_BYTES } from '../../sandbox/protocol/frames.ts'
import { TO_WORKER } from '../../sandbox/protocol/messages.ts'
import { ProtocolViolation, parseHostFrame } from '../../sandbox/protocol/parse.ts'

test('frames come out as they went in, however the bytes are cut', () => {
  const frame = fc.record(
    {
      type: fc.integer({ min: 0, max: 255 }),
      id: fc.integer({ min: 0, max: 0xffffffff }),
      payload: fc.string({ unit: 'grapheme', maxLength: 200 }).map((text) => text.toWellFormed()),
    },
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 50 }),
      (frames, cuts) => {
        const batch = new FrameBatch()
        for (const { type, id, payload } of frames) batch.add(type, id, payload)
        const bytes = batch.take()
        const reader = new FrameReader()
        const out = []
        let offset = 0
        for (const cut of [...cuts, bytes.length]) {
          out.push(...reader.push(bytes.subarray(offset, offset + cut)))
          offset += cut
          if (offset >= bytes.length) break
        }
        assert.deepEqual(out, frames)
      },
    ),
  )
})

test('a frame that announces too much is refused before it is collected', () => {
  const head = Buffer.alloc(9)
  head.writeUInt32LE(MAX_FRAME_BYTES + 1, 0)
  assert.throws(() => new FrameReader().push(head), RangeError)
})

const lies: readonly (readonly [string, number, string])[] = [
  ['a type nobody knows', 99, ''],
  ['a payload that is no JSON', TO_WORKER.reports, '{'],
  ['reports that are no list', TO_WORKER.reports, '{}'],
  ['a report of no kind', TO_WORKER.reports, '[[1,7,0,0]]'],
  ['a report about no plugin', TO_WORKER.reports, '[["one",0,0,0]]'],
  ['an effect without arguments', TO_WORKER.effect, '[1,1,"kv.get"]'],
  ['an effect without a method', TO_WORKER.effect, '[1,1,7,[]]'],
]
for (const [name, type, payload] of lies) {
  test(`a plughost that sends ${name} is not believed`, () => {
    assert.throws(() => parseHostFrame({ type, id: 1, payload }), ProtocolViolation)
  })
}

test('a pattern is a literal, or a beginning', () => {
  const set = new PatternSet(['one', 'two:*', '*'])
  assert.ok(set.matches('anything'))
  const narrow = new PatternSet(['one', 'two:*'])
  assert.deepEqual(
    ['one', 'one!', 'two:', 'two:x', 'two'].map((text) => narrow.matches(text)),
    [true, false, true, true, false],
  )
})

const malformed: readonly (readonly [unknown, RegExp])[] = [
  [null, /must be an object/],
  [{ kv: 'greylist:*' }, /"kv" is a list/],
  [{ kv: ['a*b'] }, /at most one \* at its end/],
  [{ kv: [] }, /1 to 100 entries/],
  [{ hold: 'yes' }, /"hold" is written as true/],
  [{ http: ['https://*.example.test'] }, /"http" lists origins/],
  [{ http: ['*'] }, /"http" lists origins/],
  [{ refuse: ['tempfail'] }, /"refuse" lists/],
  [{ toString: true }, /no permission called "toString"/],
]
for (const [value, says] of malformed) {
  test(`permissions ${JSON.stringify(value)} are refused`, () => {
    const parsed = parsePermissions(value)
    assert.ok(typeof parsed === 'string')
    assert.match(parsed, says)
  })
}

test('a critical permission is in force only as far as it was granted', () => {
  const asked = { 'relay.grant': true, 'route.set': ['smtp://10.0.0.1:25', 'maildir:*'] } as const
  assert.deepEqual(missingGrants(asked, {}), ['relay.grant', 'route.set'])
  const inForce = effectivePermissions(asked, {
    'relay.grant': true,
    'route.set': ['smtp://*', 'maildir:/var/spam'],
  })
  assert.ok(inForce.relayGrant)
  assert.deepEqual(
    ['smtp://10.0.0.1:25', 'smtp://10.0.0.2:25', 'maildir:/var/spam', 'maildir:/home'].map((to) =>
      inForce.routeSet.matches(to),
    ),
    [true, false, true, false],
  )
  assert.ok(!effectivePermissions(asked, {}).relayGrant)
})

test('critical permissions come first when they are told', () => {
  const [first] = permissionSentences({ kv: ['a'], 'relay.grant': true })
  assert.equal(first, 'critical: may let anyone send mail anywhere')
})

const may = effectivePermissions(
  {
    'headers.write': ['X-Mine', 'X-Test-*'],
    refuse: ['reject', 'defer'],
    hold: true,
    discard: true,
    'route.set': ['smtp://10.0.0.1:25'],
  },
  null,
)
const answers: readonly (readonly [
  string,
  'data' | 'rcpt' | 'queue' | 'deliver' | 'tell',
  unknown,
  string | null,
])[] = [
  ['nothing', 'rcpt', [null, []], null],
  ['a field it may write', 'data', [null, [{ kind: 'header.add', name: 'x-mine', value: 'yes' }]], null],
  [
    'a field it may not write',
    'data',
    [null, [{ kind: 'header.add', name: 'Subject', value: 'x' }]],
    'denied',
  ],
  ['a field of the gateway', 'data', [null, [{ kind: 'header.remove', name: 'Received' }]], 'denied'],
  [
    'a line end in a value',
    'data',
    [null, [{ kind: 'header.add', name: 'X-Mine', value: 'a\r\nBcc: b' }]],
    'invalid-answer',
  ],
  [
    'a colon in a name',
    'data',
    [null, [{ kind: 'header.add', name: 'X-Mine: a', value: 'b' }]],
    'invalid-answer',
  ],
  [
    'header edits at rcpt',
    'rcpt',
    [null, [{ kind: 'header.add', name: 'X-Mine', value: 'b' }]],
    'invalid-answer',
  ],
  [
    'a route it was granted',
    'queue',
    [null, [{ kind: 'route.set', destination: 'smtp://10.0.0.1:25', recipients: null }]],
    null,
  ],
  [
    'another route',
    'queue',
    [null, [{ kind: 'route.set', destination: 'smtp://10.0.0.2:25', recipients: null }]],
    'denied',
  ],
  [
    'a route to nowhere',
    'queue',
    [null, [{ kind: 'route.set', destination: 'ftp://x', recipients: null }]],
    'invalid-answer',
  ],
  ['a reject at queue', 'queue', [{ kind: 'reject', status: '5.7.1', text: 'no' }, []], 'invalid-answer'],
  ['a reject at deliver', 'deliver', [{ kind: 'reject', status: '5.7.1', text: 'no' }, []], null],
  ['a wait at deliver', 'deliver', [{ kind: 'wait', seconds: 1.5, text: 'no' }, []], null],
  ['a wait of a day', 'deliver', [{ kind: 'wait', seconds: 86_400, text: 'no' }, []], null],
  ['a wait of more', 'deliver', [{ kind: 'wait', seconds: 86_401, text: 'no' }, []], 'invalid-answer'],
  ['a wait of less', 'deliver', [{ kind: 'wait', seconds: 0.5, text: 'no' }, []], 'invalid-answer'],
  ['a wait of nothing', 'deliver', [{ kind: 'wait', text: 'no' }, []], 'invalid-answer'],
  ['a wait without end', 'deliver', [{ kind: 'wait', seconds: Infinity, text: 'no' }, []], 'invalid-answer'],
  ['a wait without text', 'deliver', [{ kind: 'wait', seconds: 1 }, []], 'invalid-answer'],
  ['a wait at rcpt', 'rcpt', [{ kind: 'wait', seconds: 1, text: 'no' }, []], 'invalid-answer'],
  [
    'a disconnect at deliver',
    'deliver',
    [{ kind: 'disconnect', status: '4.7.1', text: 'no' }, []],
    'invalid-answer',
  ],
  ['a hold at deliver', 'deliver', [null, [{ kind: 'hold', text: 'why', recipients: null }]], null],
  ['a note at tell', 'tell', [{ kind: 'pass', text: 'heard' }, []], null],
  ['a reject at tell', 'tell', [{ kind: 'reject', status: '5.7.1', text: 'no' }, []], 'invalid-answer'],
  ['a defer at tell', 'tell', [{ kind: 'defer', status: '4.7.1', text: 'no' }, []], 'invalid-answer'],
  ['a hold at tell', 'tell', [null, [{ kind: 'hold', text: 'why', recipients: null }]], 'invalid-answer'],
  [
    'a route at tell',
    'tell',
    [null, [{ kind: 'route.set', destination: 'smtp://10.0.0.1:25', recipients: null }]],
    'invalid-answer',
  ],
  ['a refusal without text', 'rcpt', [{ kind: 'reject', status: '5.7.1', text: '' }, []], 'invalid-answer'],
  [
    'a code in lower case',
    'rcpt',
    [{ kind: 'reject', status: '5.7.1', text: 'no', code: 'why' }, []],
    'invalid-answer',
  ],
  [
    'an object as a fact',
    'rcpt',
    [{ kind: 'reject', status: '5.7.1', text: 'no', facts: { a: {} } }, []],
    'invalid-answer',
  ],
  ['an answer that is none', 'rcpt', 'accept', 'invalid-answer'],
  ['a discard', 'rcpt', [null, [{ kind: 'discard', text: 'trap', recipients: null }]], null],
  ['a discard of some', 'data', [null, [{ kind: 'discard', text: '', recipients: ['a@b.test'] }]], null],
  [
    'a discard of some at rcpt',
    'rcpt',
    [null, [{ kind: 'discard', text: '', recipients: ['a@b.test'] }]],
    'invalid-answer',
  ],
  [
    'a hold of no list',
    'data',
    [null, [{ kind: 'hold', text: '', recipients: 'a@b.test' }]],
    'invalid-answer',
  ],
  ['a tag', 'rcpt', [null, [{ kind: 'tag', name: 'known-good', value: '' }]], null],
  ['a tag in capitals', 'rcpt', [null, [{ kind: 'tag', name: 'Known', value: '' }]], 'invalid-answer'],
  [
    'a tag of 41 letters',
    'rcpt',
    [null, [{ kind: 'tag', name: 'x'.repeat(41), value: '' }]],
    'invalid-answer',
  ],
  ['a long tag', 'rcpt', [null, [{ kind: 'tag', name: 'x', value: 'v'.repeat(201) }]], 'invalid-answer'],
  ['a tag of two lines', 'rcpt', [null, [{ kind: 'tag', name: 'x', value: 'a\nb' }]], 'invalid-answer'],
  ['a life', 'queue', [null, [{ kind: 'expire', seconds: 60 }]], null],
  ['a life of less than a minute', 'queue', [null, [{ kind: 'expire', seconds: 59 }]], 'invalid-answer'],
  ['a life that is no number', 'queue', [null, [{ kind: 'expire', seconds: null }]], 'invalid-answer'],
  ['a life at rcpt', 'rcpt', [null, [{ kind: 'expire', seconds: 60 }]], 'invalid-answer'],
  [
    'a hundred and one actions',
    'rcpt',
    [null, Array.from({ length: 101 }, () => ({ kind: 'hold', text: 'x', recipients: null }))],
    'invalid-answer',
  ],
]
for (const [name, hook, raw, fault] of answers) {
  test(`${name}: ${fault ?? 'taken'}`, () => {
    const checked = checkAnswer(hook, may, raw)
    assert.equal(isFault(checked) ? checked.kind : null, fault)
  })
}

test('to discard is a permission', () => {
  const raw = [null, [{ kind: 'discard', text: 'spam', recipients: null }]]
  const checked = checkAnswer('data', effectivePermissions({ hold: true }, null), raw)
  assert.equal(isFault(checked) && checked.kind, 'denied')
})

test('a refusal is built anew, field by field: nothing else of it comes over', () => {
  const checked = checkAnswer('rcpt', may, [
    { kind: 'reject', status: '5.7.1', text: 'no', facts: { __proto__: 1 }, reply: 250 },
    [],
  ])
  assert.ok(!isFault(checked))
  assert.deepEqual(Object.keys(checked.refusal ?? {}).toSorted(), ['code', 'facts', 'kind', 'status', 'text'])
})

const schema = {
  type: 'object',
  required: ['name'],
  properties: {
    name: { type: 'string', maxLength: 5 },
    count: { type: 'integer', minimum: 1, maximum: 9, default: 3 },
    kinds: { type: 'array', items: { type: 'string', enum: ['a', 'b'] }, maxItems: 2 },
  },
}
const configurations: readonly (readonly [unknown, unknown])[] = [
  [{ name: 'abc' }, { name: 'abc', count: 3 }],
  [
    { name: 'abcde', count: 9, kinds: ['a', 'b'] },
    { name: 'abcde', count: 9, kinds: ['a', 'b'] },
  ],
  [{}, /"name" is missing/],
  [{ name: 'abcdef' }, /config\.name: expected at most 5 characters/],
  [{ name: 'a', count: 0 }, /config\.count: expected at least 1, found 0/],
  [{ name: 'a', count: 10 }, /expected at most 9/],
  [{ name: 'a', count: 1.5 }, /expected an integer/],
  [{ name: 'a', kinds: ['c'] }, /config\.kinds\[0\]: expected one of "a", "b", found "c"/],
  [{ name: 'a', kinds: ['a', 'a', 'a'] }, /expected at most 2 entries/],
  [{ name: 'a', other: 1 }, /"other" is not a setting/],
  [{ name: 'a', constructor: 1 }, /"constructor" is not a setting/],
  [[], /expected an object/],
]
for (const [given, expected] of configurations) {
  test(`configuration ${JSON.stringify(given)}: ${expected instanceof RegExp ? 'refused' : 'completed'}`, () => {
    if (expected instanceof RegExp) assert.throws(() => completeConfiguration(schema, given), expected)
    else assert.deepEqual(completeConfiguration(schema, given), expected)
  })
}

test('a schema that uses more than is supported is refused', () => {
  assert.throws(() => completeConfiguration({ type: 'string', pattern: '^(a+)+$' }, 'a'), /uses "pattern"/)
  let deep: unknown = { type: 'string' }
  for (let level = 0; level < 10; level++) deep = { type: 'array', items: deep }
  assert.throws(() => completeConfiguration(deep, []), /deeper than 8 levels/)
})

test('a route with a password is refused, and what is told of it does not have the password', () => {
  const destination = 'smtp://user:s3cret@10.0.0.1:25'
  const checked = checkAnswer('queue', may, [null, [{ kind: 'route.set', destination, recipients: null }]])
  assert.ok(isFault(checked))
  assert.equal(checked.kind, 'invalid-answer')
  assert.match(JSON.stringify(checked), /a password stands in the configuration alone/)
  assert.doesNotMatch(JSON.stringify(checked), /s3cret/)
})
