import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { loadConfig, parseConfig } from '../../config/load.ts'
import { formatProblem } from '../../config/problem.ts'
import { formatConfig, maskedConfig } from '../../config/show.ts'

const folder = mkdtempSync(join(tmpdir(), 'postern-secrets-'))
after(() => rmSync(folder, { recursive: true }))

const values = [
  { text: '${env:TOKEN}', value: 'tok' },
  { text: 'a ${env:TOKEN} b ${env:TOKEN}', value: 'a tok b tok' },
  { text: '${env:EMPTY}', value: '' },
  { text: '$${env:TOKEN}', value: '${env:TOKEN}' },
  { text: '$${', value: '${' },
  { text: '$$${env:TOKEN}', value: '$${env:TOKEN}' },
  { text: '$5 and {x}', value: '$5 and {x}' },
  { text: '${env:NESTED}', value: '${env:TOKEN}' },
]
for (const { text, value } of values)
  test(`"${text}" becomes "${value}"`, () => {
    const env = { TOKEN: 'tok', EMPTY: '', NESTED: '${env:TOKEN}' }
    assert.equal(tokenOf(text, env), value)
  })

const files = [
  { content: 'tok', value: 'tok', what: 'as it is' },
  { content: 'tok\n', value: 'tok', what: 'without a newline at its end' },
  { content: 'tok\r\n', value: 'tok', what: 'without a carriage return and newline at its end' },
  { content: 'tok\n\n', value: 'tok\n', what: 'with all but one newline at its end' },
  { content: ' tok ', value: ' tok ', what: 'with its spaces' },
]
for (const { content, value, what } of files)
  test(`a secret in a file is taken ${what}`, () => {
    writeFileSync(join(folder, 'token'), content)
    assert.equal(tokenOf('${file:token}', {}), value)
    assert.equal(tokenOf(`\${file:${join(folder, 'token')}}`, {}), value)
  })

test('a secret may stand in any value, at any depth, but names are left alone', () => {
  const text = 'plugins: [{ name: x, config: { "${env:T}": [{ deep: "${env:T}" }] } }]'
  const loaded = parseConfig(text, 'c.yaml', { T: 'tok' })
  assert.ok(loaded.ok)
  assert.equal(JSON.stringify(loaded.config.plugins[0]?.config), '{"${env:T}":[{"deep":"tok"}]}')
})

const malformed = [
  '${}',
  '${TOKEN}',
  '${env:}',
  '${env:A-B}',
  '${env:A',
  '${ENV:A}',
  '${file:}',
  '${file:~/x}',
  '${env: A}',
]
for (const reference of malformed)
  test(`"${reference}" is refused instead of being taken as text`, () => {
    const loaded = parseConfig(`postmaster: ${JSON.stringify(reference)}`, 'c.yaml', { A: 'a' })
    assert.ok(!loaded.ok)
    assert.deepEqual(
      loaded.problems.map(({ code, message }) => `${code} ${message}`),
      [`P1110 "${reference}" is not a reference to a secret.`],
    )
  })

test('a variable is looked up among the variables only, not in what every object has', () => {
  const loaded = parseConfig('postmaster: "${env:constructor}${env:__proto__}"', 'c.yaml', {})
  assert.ok(!loaded.ok)
  assert.deepEqual(
    loaded.problems.map(({ message }) => message),
    ['The environment variable constructor is not set.', 'The environment variable __proto__ is not set.'],
  )
})

test('a file of a secret that is too large, a folder or not text is refused in words', () => {
  writeFileSync(join(folder, 'large'), 'x'.repeat(64 * 1024 + 1))
  writeFileSync(join(folder, 'binary'), Buffer.from([0xff, 0xfe]))
  const text = 'a: "${file:large}"\nb: "${file:.}"\nc: "${file:binary}"'
  const loaded = parseConfig(text, join(folder, 'c.yaml'), {})
  assert.ok(!loaded.ok)
  assert.deepEqual(
    loaded.problems.filter(({ code }) => code === 'P1112').map(({ message }) => message),
    [
      `The secret's file ${join(folder, 'large')} is larger than 65536 bytes.`,
      `The secret's file ${folder} is a folder.`,
      `The secret's file ${join(folder, 'binary')} is not UTF-8 text.`,
    ],
  )
})

test('a file of a secret may have 64 KiB', () => {
  writeFileSync(join(folder, 'full'), 'x'.repeat(64 * 1024))
  assert.equal(tokenOf('${file:full}', {}).length, 64 * 1024)
})

test('whatever is wrong with a value from a secret, the value is not told', () => {
  const settings = [
    'hostname: S',
    'postmaster: S',
    'outbound: { route: S }',
    'domains: { a.test: { deliver: S } }',
    'relay: { networks: [S] }',
    'queue: { lease: S }',
    'limits: S',
    'store: { kind: S, inlineBytes: S }',
    'listeners: [{ address: S, role: S }]',
    'plugins: S',
    'log: { level: S }',
    'workers: S',
  ]
  // Words that are also choices may be offered, but not in the quotes around what was found.
  const secrets = [
    'hunter2',
    '"mx"',
    '0.0.0.0/0',
    'smtp://u:hunter2@h',
    '"redis"',
    '"submission"',
    '37M',
    '99h',
  ]
  for (const secret of secrets)
    for (const setting of settings) {
      const env = { SECRET: secret.replaceAll('"', '') }
      const loaded = parseConfig(setting.replaceAll('S', '"${env:SECRET}"'), 'c.yaml', env)
      const told = loaded.ok ? '' : loaded.problems.map(({ message, remedy }) => message + remedy).join('\n')
      assert.ok(!told.includes(secret), told)
    }
})

test('a wrong value from a secret is told with a mask and with what was expected', () => {
  const loaded = parseConfig('hostname: ${env:HOST}', 'c.yaml', { HOST: 'hunter2' })
  assert.ok(!loaded.ok)
  assert.equal(
    loaded.problems.map(formatProblem).join('\n'),
    `P1129  c.yaml:1:11  Setting "hostname": found ‹secret›, expected a host name with a domain such as mx.example.test.
   1 | hostname: \${env:HOST}
     |           ^^^^^^^^^^^
Fix: write for example  hostname: mx.example.test`,
  )
})

test('the shown configuration masks every value that came from a secret, and only those', () => {
  const text = `
hostname: \${env:HOST}
domains: { Example.test: { deliver: "maildir:/srv/\${env:DIR}" }, example.com: { deliver: "maildir:/srv/a" } }
queue: { retry: [1m, "\${env:WAIT}"] }
plugins: [{ name: x, config: { token: "a-\${env:TOKEN}", other: "$\${env:TOKEN}", list: [b, "\${env:TOKEN}"] } }]
`
  const env = { HOST: 'hidden.example.test', DIR: 'hidden', WAIT: '77m', TOKEN: 'hidden' }
  const loaded = parseConfig(text, '/etc/postern.yaml', env)
  assert.ok(loaded.ok)
  const shown = structuredClone(maskedConfig(loaded))
  assert.equal(shown['hostname'], '‹secret›')
  assert.deepEqual(shown['domains'], {
    'example.test': { deliver: '‹secret›' },
    'example.com': { deliver: 'maildir:/srv/a' },
  })
  assert.deepEqual((shown['queue'] as { retry: unknown }).retry, ['1m', '‹secret›'])
  assert.deepEqual((shown['plugins'] as unknown[])[0], {
    name: 'x',
    config: { token: '‹secret›', other: '${env:TOKEN}', list: ['b', '‹secret›'] },
    grant: {},
    onError: 'defer',
    process: 'shared',
  })
  assert.doesNotMatch(formatConfig(loaded), /hidden|77m/)
})

/** The token a plugin is configured with. */
function tokenOf(text: string, env: NodeJS.ProcessEnv): string {
  const file = join(folder, 'postern.yaml')
  writeFileSync(file, `plugins: [{ name: x, config: { token: ${JSON.stringify(text)} } }]`)
  const loaded = loadConfig(file, env)
  assert.deepEqual(loaded.ok ? [] : loaded.problems, [])
  return String(loaded.ok ? loaded.config.plugins[0]?.config['token'] : undefined)
}
