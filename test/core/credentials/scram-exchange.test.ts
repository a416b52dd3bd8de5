/** SCRAM-SHA-256 as the RFCs write it: the vector of RFC 7677, and what a message may look like (RFC 5802 §7). */
import assert from 'node:assert/strict'
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { test } from 'node:test'
import { scramVerifier } from '../../../core/credentials/scram.ts'
import { ScramExchange } from '../../../core/credentials/scram-exchange.ts'
import {
  type ClientFirst,
  parseClientFinal,
  parseClientFirst,
} from '../../../core/credentials/scram-messages.ts'

/** RFC 7677 §3. */
const VECTOR = {
  first: 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
  nonce: '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
  serverFirst: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  final:
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
}
const KEYS = scramVerifier('pencil', Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'), 4096)

function firstOf(text: string): ClientFirst {
  const first = parseClientFirst(text)
  assert.ok(typeof first !== 'string', JSON.stringify(first))
  return first
}

function finish(final: string, binding: Buffer | null = null, first = VECTOR.first) {
  const exchange = new ScramExchange({ first: firstOf(first), keys: KEYS, nonce: VECTOR.nonce, binding })
  const parsed = parseClientFinal(final)
  assert.ok(typeof parsed !== 'string', JSON.stringify(parsed))
  return { serverFirst: exchange.serverFirst, ...exchange.finish(parsed) }
}

test('the vector of RFC 7677 §3', () => {
  const { serverFirst, isProven, serverFinal } = finish(VECTOR.final)
  assert.equal(serverFirst, VECTOR.serverFirst)
  assert.equal(isProven, true)
  assert.equal(serverFinal, VECTOR.serverFinal)
})

const wrong: readonly (readonly [what: string, final: string])[] = [
  ['a proof with one bit changed', VECTOR.final.replace('p=dHz', 'p=dHy')],
  ['a proof that is cut short', VECTOR.final.replace(/p=.*/, 'p=dHzbZapWIk4jUhN+')],
  ['a proof with more behind it', VECTOR.final.replace('ndVQ=', 'ndVQA')],
  ['another nonce', VECTOR.final.replace('FIlj)', 'FIlj(')],
  ['another header: y for n', VECTOR.final.replace('c=biws', 'c=eSws')],
]
for (const [what, final] of wrong)
  test(`nothing is proven by ${what}`, () => assert.equal(finish(final).isProven, false))

test('who is bound to a channel proves nothing on another (RFC 5802 §6)', () => {
  // The proof fits what is said in it, so that the binding alone decides.
  const first = 'p=tls-exporter,,n=user,r=rOprNGfwEbeRWgbNEkqO'
  const channel = Buffer.alloc(32, 7)
  const bound = Buffer.concat([Buffer.from('p=tls-exporter,,'), channel]).toString('base64')
  const final = finalFor(first, `c=${bound},r=rOprNGfwEbeRWgbNEkqO${VECTOR.nonce}`)
  assert.equal(finish(final, channel, first).isProven, true)
  assert.equal(finish(final, Buffer.alloc(32, 8), first).isProven, false)
  assert.equal(finish(final, null, first).isProven, false)
})

test('names have commas and equals signs escaped, and no other escapes (RFC 5802 §5.1)', () => {
  assert.equal(firstOf('n,,n=a=2Cb=3Dc,r=x').name, 'a,b=c')
  assert.equal(firstOf('n,a=x=3D2C,n=x,r=x').authorization, 'x=2C')
  for (const name of ['a=b', 'a=2c', 'a=', '=3'])
    assert.equal(typeof parseClientFirst(`n,,n=${name},r=x`), 'string', name)
})

test('what a first message says of channel binding', () => {
  assert.deepEqual(firstOf('n,,n=u,r=x').binding, { kind: 'n' })
  assert.deepEqual(firstOf('y,,n=u,r=x').binding, { kind: 'y' })
  assert.deepEqual(firstOf('p=tls-exporter,,n=u,r=x').binding, { kind: 'p', type: 'tls-exporter' })
})

const noFirst = [
  '',
  'n',
  'n,,',
  'n,,n=user',
  'n,,r=x,n=user',
  'n,n=user,r=x',
  'x,,n=user,r=x',
  'p=,,n=user,r=x',
  'p=a b,,n=user,r=x',
  'n,b=x,n=user,r=x',
  'n,,n=,r=x',
  'n,,n=user,r=',
  'n,,n=user,r=\u0001',
  'n,,n=user,r=é',
  'n,,m=must,n=user,r=x',
  `n,,n=user,r=${'x'.repeat(256)}`,
  `n,,n=${'u'.repeat(4096)},r=x`,
]
for (const text of noFirst)
  test(`no first message: ${JSON.stringify(text.slice(0, 40))}`, () =>
    assert.equal(typeof parseClientFirst(text), 'string'))

const noFinal = [
  '',
  'c=biws',
  'c=biws,r=x',
  'r=x,c=biws,p=AAAA',
  'c=biws,r=x,p=',
  'c=biws,r=x,p=A',
  'c=b,r=x,p=AAAA',
  'c=biws,r=x,p=AAAA,x=y',
  `c=biws,r=x,p=${'A'.repeat(4096)}`,
]
for (const text of noFinal)
  test(`no final message: ${JSON.stringify(text.slice(0, 40))}`, () =>
    assert.equal(typeof parseClientFinal(text), 'string'))

test('extensions that may be passed over are, and are signed with the rest (RFC 5802 §5.1)', () => {
  assert.equal(firstOf('n,,n=user,r=x,z=what').bare, 'n=user,r=x,z=what')
  const final = parseClientFinal('c=biws,r=x,z=what,p=AAAA')
  assert.ok(typeof final !== 'string')
  assert.equal(final.withoutProof, 'c=biws,r=x,z=what')
})

/** A client of our own, for what the RFC has no vector of (RFC 5802 §3). */
function finalFor(first: string, withoutProof: string): string {
  const { bare } = firstOf(first)
  const salted = pbkdf2Sync('pencil', Buffer.from(KEYS.salt, 'base64'), KEYS.iterations, 32, 'sha256')
  const clientKey = createHmac('sha256', salted).update('Client Key').digest()
  const storedKey = createHash('sha256').update(clientKey).digest()
  const message = `${bare},${VECTOR.serverFirst},${withoutProof}`
  const signature = createHmac('sha256', storedKey).update(message).digest()
  const proof = Buffer.from(clientKey.map((octet, index) => octet ^ (signature[index] ?? 0)))
  return `${withoutProof},p=${proof.toString('base64')}`
}
