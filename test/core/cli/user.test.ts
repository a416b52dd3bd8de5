import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { askPassword, type Terminal } from '../../../core/cli/password-prompt.ts'
import { type Ended, ended, LAUNCHER, ROOT } from './child.ts'
import { temporaryFolder } from './fake-gateway.ts'
import { runHere } from './in-process.ts'

const PASSWORD = 'correct horse battery'

interface Place {
  readonly users: string
  readonly config: readonly string[]
}

async function place(t: TestContext): Promise<Place> {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'postern.yaml')
  await writeFile(file, 'users: ./var/users\n')
  return { users: join(folder, 'var', 'users'), config: ['--config', file] }
}

async function piped(args: readonly string[], input: string): Promise<Ended> {
  const child = spawn(process.execPath, [LAUNCHER, ...args], { cwd: ROOT, stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.end(input)
  return await ended(child)
}

test('a user is set, listed and removed, and the password stands nowhere', async (t) => {
  const { users, config } = await place(t)
  const set = await piped(
    ['user', 'set', 'anna@example.test', '--password-stdin', ...config],
    `${PASSWORD}\nignored\n`,
  )
  assert.deepEqual([set.code, set.stdout, set.stderr], [0, 'anna@example.test may sign in now.\n', ''])
  const text = await readFile(users, 'utf8')
  assert.match(text, /^anna@example\.test:/m)
  assert.ok(!text.includes(PASSWORD))
  assert.equal((await stat(users)).mode & 0o777, 0o600)
  assert.equal((await runHere(['user', 'list', ...config])).stdout, 'anna@example.test\n')
  const json = await runHere(['user', 'list', '--json', ...config])
  assert.deepEqual(JSON.parse(json.stdout), { file: users, users: ['anna@example.test'] })
  const removed = await runHere(['user', 'remove', 'anna@example.test', ...config])
  assert.deepEqual([removed.code, removed.stdout], [0, 'anna@example.test may not sign in any more.\n'])
  assert.match((await runHere(['user', 'list', ...config])).stdout, /^Nobody may sign in yet/)
})

test('what cannot be a password or a name is refused, and changes nothing', async (t) => {
  const { users, config } = await place(t)
  for (const [name, input] of [
    ['anna', '\n'],
    ['an na', `${PASSWORD}\n`],
  ] as const) {
    const { code, stderr } = await piped(['user', 'set', name, '--password-stdin', ...config], input)
    assert.equal(code, 2)
    assert.match(stderr, /^Nothing was changed: /)
    assert.ok(!stderr.includes(PASSWORD))
  }
  await assert.rejects(stat(users))
})

test('a password is not asked for where there is no terminal', async (t) => {
  const { config } = await place(t)
  const { code, stderr } = await piped(['user', 'set', 'anna', ...config], `${PASSWORD}\n`)
  assert.equal(code, 2)
  assert.match(stderr, /^There is no terminal .*\nFix: pipe it in, with --password-stdin/)
})

test('a user who is not there cannot be removed, and a configuration without a file is said', async (t) => {
  const { config } = await place(t)
  await piped(['user', 'set', 'anna', '--password-stdin', ...config], `${PASSWORD}\n`)
  const unknown = await runHere(['user', 'remove', 'bert', ...config])
  assert.equal(unknown.code, 1)
  assert.match(unknown.stderr, /^There is no user bert in /)
  const bare = join(await temporaryFolder(t), 'bare.yaml')
  await writeFile(bare, 'hostname: mx.example.test\n')
  const none = await runHere(['user', 'list', '--config', bare])
  assert.equal(none.code, 1)
  assert.match(none.stderr, /names no file of users\.\nFix: add a line such as {2}users: \.\/users/)
})

test('a file that is none is said with its line, and nothing of it is repeated', async (t) => {
  const { users, config } = await place(t)
  await piped(['user', 'set', 'anna', '--password-stdin', ...config], `${PASSWORD}\n`)
  await writeFile(users, `anna:${PASSWORD}\n`)
  const { code, stderr } = await runHere(['user', 'list', ...config])
  assert.equal(code, 1)
  assert.match(stderr, /cannot be used: line 1: /)
  assert.ok(!stderr.includes(PASSWORD))
})

/** A terminal at which this is typed. */
function typed(...pieces: readonly string[]): { terminal: Terminal; output: PassThrough; modes: boolean[] } {
  const modes: boolean[] = []
  const stream = new PassThrough()
  for (const piece of pieces) stream.write(piece)
  const setRawMode = (isRaw: boolean): number => modes.push(isRaw)
  return { terminal: Object.assign(stream, { setRawMode }), output: new PassThrough(), modes }
}

const typings: readonly (readonly [what: string, pieces: readonly string[], password: string | null])[] = [
  ['a line', ['secret\r'], 'secret'],
  ['a line key by key', ['s', 'e', 'c', 'r', 'e', 't', '\n'], 'secret'],
  ['corrections', ['sexx\x7f\bcret\r'], 'secret'],
  ['corrections of nothing', ['\x7f\x7fsecret\r'], 'secret'],
  ['letters beyond US-ASCII', ['pä\x7fässword 🔑x\x7f\r'], 'pässword 🔑'],
  ['keys that write nothing', ['se\tcret\r'], 'secret'],
  ['Ctrl-C', ['sec\x03'], null],
  ['Ctrl-D', ['\x04'], null],
]
for (const [what, pieces, password] of typings)
  test(`typed at a terminal: ${what}`, async () => {
    const { terminal, output, modes } = typed(...pieces)
    assert.equal(await askPassword(terminal, output, 'Password: '), password)
    assert.equal(String(output.read()), 'Password: \n')
    assert.deepEqual(modes, [true, false])
  })

test('two questions get the two lines that were typed', async () => {
  const { terminal, output } = typed('one\rtwo\r')
  assert.equal(await askPassword(terminal, output, ''), 'one')
  assert.equal(await askPassword(terminal, output, ''), 'two')
})
