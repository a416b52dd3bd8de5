import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { prepareName } from '../../../core/credentials/saslprep.ts'
import { formatUser, parseUsers, withoutUser, withUser } from '../../../core/credentials/users-text.ts'
import { cheapUser } from './cheap-user.ts'

const BOB = cheapUser('bob@example.org', 'sesame')
const EVE = cheapUser('eve', 'secret')
const BOB_LINE = formatUser(BOB)
const SALT = Buffer.alloc(16, 1).toString('base64')
const KEY = Buffer.alloc(32, 2).toString('base64')
const GOOD = `{scrypt}1024$8$1$${SALT}$${KEY}`

const problems = (text: string): readonly string[] => {
  const parsed = parseUsers(text)
  return parsed.ok ? [] : parsed.problems.map((problem) => `${problem.line}: ${problem.text}`)
}

test('a line has the form that is documented', () => {
  const base64 = '[A-Za-z0-9+/]+={0,2}'
  assert.match(
    BOB_LINE,
    new RegExp(
      String.raw`^bob@example\.org:\{scrypt\}1024\$1\$1\$${base64}\$${base64}\{SCRAM-SHA-256\}4096\$${base64}\$${base64}\$${base64}$`,
    ),
  )
})

test('what was written is read again, whatever stands around it', () => {
  for (const text of [
    `${BOB_LINE}\n`,
    BOB_LINE,
    `# users\n\n  \n${BOB_LINE}\n`,
    `\ufeff${BOB_LINE}\r\n`,
    `  ${BOB_LINE}\t\n`,
  ]) {
    const parsed = parseUsers(text)
    assert.ok(parsed.ok)
    assert.deepEqual([...parsed.users], [[BOB.name, BOB]])
  }
})

test('an empty file has no users and no problem', () => {
  assert.deepEqual(parseUsers(''), { ok: true, users: new Map() })
})

test('the verifier of SCRAM may be missing', () => {
  const parsed = parseUsers(`eve:${GOOD}\n`)
  assert.ok(parsed.ok)
  assert.equal(parsed.users.get('eve')?.scram, null)
  assert.deepEqual(parsed.users.get('eve')?.scrypt, {
    cost: 1024,
    blockSize: 8,
    parallelization: 1,
    salt: SALT,
    hash: KEY,
  })
})

test('names of the object prototype are names like any other', () => {
  const parsed = parseUsers(`__proto__:${GOOD}\nconstructor:${GOOD}\n`)
  assert.ok(parsed.ok)
  assert.deepEqual([...parsed.users.keys()], ['__proto__', 'constructor'])
})

const base64Of = (octets: number): string => Buffer.alloc(octets, 3).toString('base64')
const scram = (text: string): string => `eve:${GOOD}{SCRAM-SHA-256}${text}`

const malformed: readonly (readonly [string, string])[] = [
  ['eve', 'a user has the form name:{scrypt}…, there is no colon'],
  [`:${GOOD}`, 'the name is empty'],
  [`e ve:${GOOD}`, 'a name has no space and no colon'],
  [`Bo\u0308b:${GOOD}`, 'the name is not in its normal form, write it as Böb'],
  ['eve:', 'what follows the name must begin with {scrypt}'],
  ['eve:hunter2', 'what follows the name must begin with {scrypt}'],
  [`eve:x${GOOD}`, 'what follows the name must begin with {scrypt}'],
  ['eve:{PLAIN}hunter2', 'only {scrypt} and {SCRAM-SHA-256} are known'],
  ['eve:{SCRYPT}1', 'only {scrypt} and {SCRAM-SHA-256} are known'],
  [`eve:${GOOD}${GOOD}`, '{scrypt} is there twice'],
  [
    `eve:{SCRAM-SHA-256}4096$${SALT}$${KEY}$${KEY}`,
    '{scrypt} is missing: only hashes made by "user set" are accepted',
  ],
  [`eve:{scrypt}1024$8$1$${SALT}`, '{scrypt}: expected N$r$p$salt$hash, found 4 parts'],
  [`eve:${GOOD}$x`, '{scrypt}: expected N$r$p$salt$hash, found 6 parts'],
  [`eve:{scrypt}1000$8$1$${SALT}$${KEY}`, '{scrypt}: N is a power of two, at least 1024'],
  [`eve:{scrypt}0x400$8$1$${SALT}$${KEY}`, '{scrypt}: N is a power of two, at least 1024'],
  [`eve:{scrypt}1024$$1$${SALT}$${KEY}`, '{scrypt}: r is at least 1'],
  [`eve:{scrypt}1024$8$17$${SALT}$${KEY}`, '{scrypt}: p is between 1 and 16'],
  [`eve:{scrypt}1024$8$1$?$${KEY}`, '{scrypt}: the salt is not base64'],
  [`eve:{scrypt}1024$8$1$${base64Of(7)}$${KEY}`, '{scrypt}: the salt has 7 octets, expected 8 to 64'],
  [`eve:{scrypt}1024$8$1$${base64Of(65)}$${KEY}`, '{scrypt}: the salt has 65 octets, expected 8 to 64'],
  [`eve:{scrypt}1024$8$1$${SALT}$`, '{scrypt}: the hash has 0 octets, expected 16 to 64'],
  [`eve:{scrypt}1024$8$1$${SALT}$${KEY} # boss`, '{scrypt}: the hash is not base64'],
  [
    scram(`4096$${SALT}$${KEY}`),
    '{SCRAM-SHA-256}: expected iterations$salt$storedKey$serverKey, found 3 parts',
  ],
  [scram(`4095$${SALT}$${KEY}$${KEY}`), '{SCRAM-SHA-256}: iterations are between 4096 and 10000000'],
  [scram(`10000001$${SALT}$${KEY}$${KEY}`), '{SCRAM-SHA-256}: iterations are between 4096 and 10000000'],
  [scram(`4096$${SALT}$${SALT}$${KEY}`), '{SCRAM-SHA-256}: storedKey has 16 octets, expected 32'],
  [scram(`4096$${SALT}$${KEY}$!`), '{SCRAM-SHA-256}: serverKey is not base64'],
]

for (const [line, reason] of malformed)
  test(`${JSON.stringify(line.slice(0, 30))}: ${reason}`, () =>
    assert.deepEqual(problems(`# one\n\n${line}\n`), [`3: ${reason}`]))

test('each problem has its line, a name that is there twice too', () => {
  assert.deepEqual(problems(`${BOB_LINE}\nx\n#\n${BOB_LINE}\ny\n`), [
    '2: a user has the form name:{scrypt}…, there is no colon',
    '4: bob@example.org is there already, in line 1',
    '5: a user has the form name:{scrypt}…, there is no colon',
  ])
})

test('a file that is something else is told twenty problems of, and nothing of its content', () => {
  const found = problems('root:$6$hunter2:1::\n'.repeat(1_000))
  assert.equal(found.length, 20)
  assert.ok(found.every((problem) => !problem.includes('hunter2')))
})

test('setting a user replaces its line alone, or adds one at the end', () => {
  const text = `# staff\n${BOB_LINE}\n# guests\n${formatUser(EVE)}`
  const other = cheapUser(BOB.name, 'another')
  assert.equal(withUser(text, other), `# staff\n${formatUser(other)}\n# guests\n${formatUser(EVE)}\n`)
  const bo = cheapUser('bo', 'x')
  assert.equal(withUser(text, bo), `${text}\n${formatUser(bo)}\n`)
  assert.equal(withUser('', bo), `${formatUser(bo)}\n`)
})

test('removing a user takes its line alone', () => {
  const text = `# bob@example.org:\n${BOB_LINE}\n#\n${formatUser(EVE)}\n`
  assert.equal(withoutUser(text, BOB.name), `# bob@example.org:\n#\n${formatUser(EVE)}\n`)
  assert.equal(withoutUser(text, 'bob'), null)
  assert.equal(withoutUser(text, ''), null)
})

test('any prepared names can be set and are read again', () => {
  const names = fc.uniqueArray(
    fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
      .map(prepareName)
      .filter((prepared) => prepared.ok)
      .map(({ text }) => text),
    { maxLength: 10 },
  )
  fc.assert(
    fc.property(names, (list) => {
      const text = list.reduce((before, name) => withUser(before, { ...BOB, name }), '')
      const parsed = parseUsers(text)
      assert.ok(parsed.ok)
      assert.deepEqual([...parsed.users.keys()], list)
      assert.equal(
        list.reduce<string | null>((before, name) => withoutUser(before ?? '', name), text),
        list.length === 0 ? text : '',
      )
    }),
  )
})

test('no text makes the reader throw', () => {
  const pieces = fc.constantFrom(
    'a',
    ':',
    '{scrypt}',
    '{SCRAM-SHA-256}',
    '$',
    '1024',
    '8',
    SALT,
    KEY,
    '\n',
    '#',
    '{',
    '}',
    '\0',
  )
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(pieces, { maxLength: 40 }).map((list) => list.join('')),
  )
  fc.assert(fc.property(text, (any) => void parseUsers(any)))
})
