import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { test } from 'node:test'
import { scramVerifier } from '../../../core/credentials/scram.ts'
import {
  hashPassword,
  matchesHash,
  SCRYPT_WORK,
  type ScryptWork,
  whyNotWork,
} from '../../../core/credentials/scrypt.ts'
import { newUser } from '../../../core/credentials/user.ts'
import { cheapUser } from './cheap-user.ts'

const work = (cost: number, blockSize = 8, parallelization = 1): ScryptWork => ({
  cost,
  blockSize,
  parallelization,
})

test('a hash is the scrypt of others (RFC 7914 §12)', () => {
  const expected = Buffer.from(
    'fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640',
    'hex',
  )
  const salt = Buffer.from('NaCl').toString('base64')
  const hash = { ...work(1024, 8, 16), salt, hash: expected.toString('base64') }
  assert.ok(matchesHash('password', hash))
  assert.ok(!matchesHash('Password', hash))
})

test('the usual work fits into the memory allowed for it, and so does the most', () => {
  const salt = Buffer.alloc(16, 7)
  const hash = hashPassword('sesame', salt)
  assert.deepEqual({ ...hash, salt: '', hash: '' }, { ...SCRYPT_WORK, salt: '', hash: '' })
  assert.ok(matchesHash('sesame', hash))
  assert.ok(!matchesHash('sesam', hash))
  assert.ok(matchesHash('x', hashPassword('x', salt, work(1024, 1, 16))))
})

const works: readonly (readonly [ScryptWork, string | null])[] = [
  [SCRYPT_WORK, null],
  [work(512), 'N is a power of two, at least 1024'],
  [work(1024), null],
  [work(1025), 'N is a power of two, at least 1024'],
  [work(Number.NaN), 'N is a power of two, at least 1024'],
  [work(2 ** 18), null],
  [work(2 ** 19), 'N and r need more than 256 MB'],
  [work(1024, 0), 'r is at least 1'],
  [work(1024, 2048), null],
  [work(1024, 2049), 'N and r need more than 256 MB'],
  [work(1024, 8, 0), 'p is between 1 and 16'],
  [work(1024, 8, 16), null],
  [work(1024, 8, 17), 'p is between 1 and 16'],
  [work(1024, 8, Number.NaN), 'p is between 1 and 16'],
]

for (const [given, reason] of works)
  test(`N=${given.cost} r=${given.blockSize} p=${given.parallelization}: ${reason ?? 'in order'}`, () =>
    assert.equal(whyNotWork(given), reason))

test('a SCRAM verifier accepts the proof of RFC 7677 §3 and makes its signature', () => {
  const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')
  const verifier = scramVerifier('pencil', salt, 4096)
  const nonce = 'rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
  const message = `n=user,r=rOprNGfwEbeRWgbNEkqO,r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=${nonce}`
  const signed = (key: string): Buffer =>
    createHmac('sha256', Buffer.from(key, 'base64')).update(message).digest()
  const signature = signed(verifier.storedKey)
  const proof = Buffer.from('dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=', 'base64')
  const clientKey = proof.map((octet, i) => octet ^ (signature[i] ?? 0))
  assert.equal(createHash('sha256').update(clientKey).digest('base64'), verifier.storedKey)
  assert.equal(signed(verifier.serverKey).toString('base64'), '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')
})

test('a new user has salts of its own, and name and password in their prepared form', () => {
  const one = cheapUser('Bo\u0308b', '\u2168 and secret')
  const two = cheapUser('Böb', 'IX and secret')
  assert.equal(one.name, 'Böb')
  assert.ok(matchesHash('IX and secret', one.scrypt) && matchesHash('IX and secret', two.scrypt))
  const salts = [one, two].flatMap(({ scrypt, scram }) => [scrypt.salt, scram?.salt])
  assert.equal(new Set(salts).size, 4)
  assert.ok(!JSON.stringify(one).includes('and secret'))
})

test('a name or password that cannot be one makes no user', () => {
  assert.deepEqual(newUser('a b', 'x'), { ok: false, reason: 'a name has no space and no colon' })
  assert.deepEqual(newUser('a', ''), { ok: false, reason: 'the password is empty' })
})
