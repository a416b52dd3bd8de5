import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { searchMessage } from '../../../core/content/literal-search.ts'
import { lines } from './message-stand.ts'

const MESSAGE = Buffer.from(
  lines(
    'Subject: viagra',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: text/plain; charset=iso-8859-1',
    'Content-Transfer-Encoding: quoted-printable',
    '',
    'Gr=FC=DFe und eine Rech=',
    'nung',
    '--b',
    'Content-Type: text/html; charset=utf-8',
    'Content-Transfer-Encoding: base64',
    '',
    Buffer.from('<p>RECHNUNG ÜBER 3 €</p>').toString('base64'),
    '--b--',
  ),
)
const EVERYWHERE = { part: null, ignoreCase: false, raw: false }

test('literals are looked for in the decoded text of each part', () => {
  assert.deepEqual(
    searchMessage(MESSAGE, { ...EVERYWHERE, literals: ['3 €', 'Grüße', 'Rechnung', 'viagra'] }),
    [
      { literal: '3 €', part: '1.2' },
      { literal: 'Grüße', part: '1.1' },
      { literal: 'Rechnung', part: '1.1' },
    ],
  )
})

test('letter case matters unless told otherwise', () => {
  const literals = ['über', 'GRÜSSE', 'grÜße']
  assert.deepEqual(searchMessage(MESSAGE, { ...EVERYWHERE, literals }), [])
  assert.deepEqual(searchMessage(MESSAGE, { ...EVERYWHERE, literals, ignoreCase: true }), [
    { literal: 'über', part: '1.2' },
    { literal: 'grÜße', part: '1.1' },
  ])
})

test('a part is searched alone, and what is inside it', () => {
  const literals = ['Rechnung', 'RECHNUNG']
  assert.deepEqual(searchMessage(MESSAGE, { ...EVERYWHERE, literals, part: '1.2' }), [
    { literal: 'RECHNUNG', part: '1.2' },
  ])
  assert.equal(searchMessage(MESSAGE, { ...EVERYWHERE, literals, part: '1' }).length, 2)
  assert.deepEqual(searchMessage(MESSAGE, { ...EVERYWHERE, literals, part: '1.20' }), [])
})

test('a text is found across the pieces a long part is decoded in', () => {
  const body = Buffer.from(`${'x'.repeat(262_143)}Übergröße${'x'.repeat(300_000)}`)
  const message = Buffer.concat([Buffer.from('Content-Type: text/plain; charset=utf-8\r\n\r\n'), body])
  assert.deepEqual(searchMessage(message, { ...EVERYWHERE, literals: ['übergrößex'], ignoreCase: true }), [
    { literal: 'übergrößex', part: '1' },
  ])
})

test('raw octets are those received', () => {
  const literals = ['Subject: VIAGRA', 'Grüße', '=FC=DF']
  assert.deepEqual(searchMessage(MESSAGE, { literals, part: null, ignoreCase: true, raw: true }), [
    { literal: 'Subject: VIAGRA', part: '' },
    { literal: '=FC=DF', part: '' },
  ])
})

test('the same as looking for one after the other, for any text', () => {
  const few = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 5 })
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 60 })
  fc.assert(
    fc.property(fc.uniqueArray(few, { minLength: 1, maxLength: 12 }), text, (literals, body) => {
      const message = Buffer.from(`X: y\r\n\r\n${body}`)
      const found = searchMessage(message, { ...EVERYWHERE, literals }).map(({ literal }) => literal)
      assert.deepEqual(
        found,
        literals.filter((literal) => body.includes(literal)),
      )
    }),
    { numRuns: 500 },
  )
})
