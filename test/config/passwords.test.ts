/** Destinations with a password: it is taken out of the route, and told to nobody. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Config } from '../../config/config.ts'
import { type LoadedConfig, parseConfig } from '../../config/load.ts'
import { formatProblem } from '../../config/problem.ts'
import { formatConfig, maskedConfig } from '../../config/show.ts'

const ENV = { USER: 'anna@example.test', PASS: 'p@ss:w/rd %41 ü' }

test('a password stands beside the route, not in it', () => {
  const { outbound, domains, passwords } = load(`
outbound: { route: "smtp://user:one@mail.example.com" }
domains: { example.test: { deliver: "smtps://user:tw%6f@192.0.2.1" }, example.com: { deliver: "lmtp://192.0.2.2" } }
`)
  assert.equal(outbound.route, 'smtp://user@mail.example.com:587')
  assert.equal(domains['example.test']?.deliver, 'smtps://user@192.0.2.1:465')
  assert.deepEqual(
    { ...passwords },
    { 'smtp://user@mail.example.com:587': 'one', 'smtps://user@192.0.2.1:465': 'two' },
  )
})

test('a secret in place of user and password stands for itself, whatever its characters', () => {
  const { outbound, passwords } = load(
    'outbound: { route: "smtp://${env:USER}:${env:PASS}@mail.example.com:587" }',
  )
  assert.equal(outbound.route, 'smtp://anna%40example.test@mail.example.com:587')
  assert.deepEqual(Object.values(passwords), [ENV.PASS])
})

test('a secret that is the whole destination is read as one', () => {
  const env = { ROUTE: 'smtp://user:a%40b@mail.example.com:587' }
  const { outbound, passwords } = load('outbound: { route: "${env:ROUTE}" }', env)
  assert.deepEqual({ ...passwords }, { [outbound.route ?? '']: 'a@b' })
})

test('elsewhere a secret in the text of a destination stays as it is', () => {
  const { plugins } = load('plugins: [{ name: x, config: { to: "smtp://${env:USER}@h" } }]')
  assert.deepEqual({ ...plugins[0]?.config }, { to: 'smtp://anna@example.test@h' })
})

test('one password for one user at one server, wherever it is written', () => {
  const domains = (second: string): string => `
outbound: { route: "smtp://user:s3cret@mail.example.com:587" }
domains: { example.test: { deliver: "smtp://user:${second}@MAIL.example.com:587" } }`
  assert.equal(Object.keys(load(domains('s3cret')).passwords).length, 1)
  const told = problems(domains('0ther'))
  const message =
    'Setting "outbound.route": "domains[\'example.test\'].deliver" has another password for smtp://user@mail.example.com:587.'
  assert.ok(told.startsWith(`P1109  c.yaml:2:20  ${message}`), told)
  assert.ok(!/s3cret|0ther/.test(told), told)
})

const mistakes: readonly (readonly [route: string, reason: string])[] = [
  ['smtp://user@mail.example.com:587', 'the user has no password'],
  ['smtps://user@mail.example.com', 'the user has no password'],
  [
    'smtp://user:s3cret%@mail.example.com',
    'the password is not percent-encoded as it should be: a % is written %25',
  ],
  ['smtp://user:@mail.example.com', 'the password is empty'],
  ['smtp://:s3cret@mail.example.com', 'the user is empty'],
  ['smtp://user:s3cret@mail.example.com:99999', 'a port is a number from 1 to 65535'],
  ['smtp://user:s3cr@et@', 'smtp:// needs a host and perhaps a port, as in smtp://192.0.2.7:25'],
  ['lmtp://user:s3cret@192.0.2.1', 'lmtp:// needs a host and perhaps a port, as in lmtp://192.0.2.7:24'],
]
for (const [route, reason] of mistakes)
  test(`"${route}" is refused, and the password is not repeated: ${reason}`, () => {
    const told = problems(`outbound: { route: "${route}" }`)
    assert.match(told, /^P1125 /)
    assert.ok(told.includes(`(${reason})`), told)
    if (!route.startsWith('lmtp')) assert.ok(!/s3cr/.test(told), told)
  })

test('what is shown of a configuration has a mask in place of a password', () => {
  const text = `
outbound: { route: "smtp://user:s3cret@mail.example.com:587" }
domains: { a.test: { deliver: "smtps://u:s3cret@192.0.2.1" }, b.test: { deliver: "smtp://u:\${env:PASS}@192.0.2.2" } }`
  const loaded = parsed(text)
  assert.deepEqual(structuredClone(maskedConfig(loaded)['domains']), {
    'a.test': { deliver: 'smtps://u:‹secret›@192.0.2.1:465' },
    'b.test': { deliver: '‹secret›' },
  })
  const shown = formatConfig(loaded)
  assert.ok(shown.includes('route: smtp://user:‹secret›@mail.example.com:587'), shown)
  for (const secret of ['s3cret', ENV.PASS, encodeURIComponent(ENV.PASS)])
    assert.ok(!shown.includes(secret), shown)
})

function parsed(text: string, env: NodeJS.ProcessEnv = ENV): Extract<LoadedConfig, { ok: true }> {
  const loaded = parseConfig(text, 'c.yaml', env)
  assert.deepEqual(loaded.ok ? [] : loaded.problems, [])
  assert.ok(loaded.ok)
  return loaded
}

function load(text: string, env: NodeJS.ProcessEnv = ENV): Config {
  return parsed(text, env).config
}

function problems(text: string): string {
  const loaded = parseConfig(text, 'c.yaml', ENV)
  return loaded.ok ? '' : loaded.problems.map(formatProblem).join('\n')
}
