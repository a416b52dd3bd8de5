import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { ended, LAUNCHER, postern } from './child.ts'
import { entry, serveFake, temporaryFolder } from './fake-gateway.ts'
import { runHere } from './in-process.ts'

const mistakes: readonly (readonly [name: string, args: readonly string[], message: RegExp])[] = [
  ['no command', [], /Usage: postern/],
  ['an unknown command', ['sattus'], /Unknown command 'sattus'\n\(Did you mean status\?\)/],
  ['an unknown option', ['status', '--jsno'], /Unknown option '--jsno'\n\(Did you mean --json\?\)/],
  ['a missing argument', ['explain'], /Missing required argument 'key'/],
  ['an argument too many', ['status', 'all'], /Too many arguments/],
  ['a state that is none', ['queue', 'list', '--state', 'lost'], /Allowed choices are due, held, delivered/],
  ['a limit that is no number', ['queue', 'list', '--limit', 'many'], /whole number from 1 to/],
  ['a limit of 0', ['queue', 'list', '--limit', '0'], /whole number from 1 to/],
  ['a drop of nothing in particular', ['queue', 'drop', '--yes'], /Which messages\?/],
  ['an empty filter', ['queue', 'drop', '--from', ''], /1 to 512 characters/],
  ['a server without a port', ['send', '--to', 'a@b.test', '--server', 'localhost'], /form HOST:PORT/],
  [
    'a recipient that would end the command',
    ['send', '--to', 'a@b.test>\r\nDATA', '--server', '[::1]:1'],
    /--to cannot be/,
  ],
  ['a recipient that is none', ['send', '--to', '<>', '--server', '[::1]:1'], /A recipient needs an address/],
]

for (const [name, args, message] of mistakes) {
  test(`${name} ends with 2 and a sentence`, async () => {
    const { code, stdout, stderr } = await runHere([...args, '--socket', '/nowhere'])
    assert.deepEqual({ code, stdout }, { code: 2, stdout: '' })
    assert.match(stderr, message)
    assert.doesNotMatch(stderr, /\n {4}at /)
  })
}

const commands = [
  ['start'],
  ['reload'],
  ['stop'],
  ['status'],
  ['send'],
  ['explain'],
  ['queue'],
  ['queue', 'list'],
  ['queue', 'show'],
  ['queue', 'retry'],
  ['queue', 'hold'],
  ['queue', 'release'],
  ['queue', 'drop'],
  ['config'],
  ['config', 'check'],
  ['config', 'show'],
  ['user'],
  ['user', 'set'],
  ['user', 'list'],
  ['user', 'remove'],
  ['plugin'],
  ['plugin', 'list'],
]

for (const command of commands) {
  test(`${command.join(' ')} --help has an example`, async () => {
    const { code, stdout, stderr } = await runHere([...command, '--help'])
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
    assert.match(stdout, new RegExp(`Examples?:\n  postern ${command.join(' ')}`))
    assert.match(stdout, /--json/)
  })
}

test('a mistake in the usage is exit code 2 of the process', async () => {
  const { code, stdout, stderr } = await postern(['queue', 'drop'])
  assert.deepEqual({ code, stdout }, { code: 2, stdout: '' })
  assert.match(stderr, /Which messages\?/)
})

test('help and version are fine', async () => {
  assert.match((await postern(['--help'])).stdout, /Exit codes: 0 fine, 1 problem found, 2 usage, 3 gateway/)
  assert.match((await postern(['--version'])).stdout, /^postern \d/)
})

test('a reader that has seen enough is no error', async (t) => {
  const entries = Array.from({ length: 5_000 }, () => entry())
  const { socket } = await serveFake(t, { queueList: async () => entries })
  const command = `"$0" "$1" queue list --limit 5000 --socket "$2" | head -1; echo "\${PIPESTATUS[0]}"`
  const child = spawn('bash', ['-c', command, process.execPath, LAUNCHER, socket])
  const { stdout, stderr } = await ended(child)
  assert.match(stdout, /^ID .*\n0\n$/)
  assert.equal(stderr, '')
})

test('control characters that came with mail do not reach the terminal', async (t) => {
  const { socket } = await serveFake(t, {
    queueList: async () => [entry({ reversePath: 'a\u001b[2Jb\u202e@remote.test' })],
  })
  const shown = await runHere(['queue', 'list', '--socket', socket])
  assert.match(shown.stdout, /a\\x1b\[2Jb\\u202e@remote\.test/)
  const json = await runHere(['queue', 'list', '--socket', socket, '--json'])
  assert.match(json.stdout, /a\\u001b\[2Jb\\u202e@remote\.test/)
})

test('what the gateway refuses ends with 1 and its message', async (t) => {
  const { socket } = await serveFake(t, {
    queueRetry: async () => {
      throw new Error('the store is not available')
    },
  })
  const { code, stderr } = await runHere(['queue', 'retry', '--all', '--socket', socket])
  assert.equal(code, 1)
  assert.equal(stderr, 'The gateway could not do this: the store is not available\n')
})

test('the stack of a bug is shown to those who ask for it', async (t) => {
  // An answer of a shape that no gateway gives.
  const { socket } = await serveFake(t, { queueList: async () => null as never })
  const quiet = await postern(['queue', 'list', '--socket', socket])
  assert.equal(quiet.code, 1)
  assert.match(
    quiet.stderr,
    /^Postern met something it did not expect: TypeError: [^\n]*\nPOSTERN_DEBUG=1 [^\n]*\n$/,
  )
  const loud = await postern(['queue', 'list', '--socket', socket], { env: { POSTERN_DEBUG: '1' } })
  assert.match(loud.stderr, /\n {4}at .*queue-list\.ts:\d+/)
})

test('a command that needs the gateway says what is wrong with the configuration, and the way around it', async (t) => {
  const file = join(await temporaryFolder(t), 'postern.yaml')
  await writeFile(file, 'hostnam: mx.example.test\n')
  const { code, stderr } = await runHere(['status', '--config', file])
  assert.equal(code, 1)
  assert.match(stderr, /P1101 .*postern\.yaml:1:1/)
  assert.match(stderr, /name the control socket of the running gateway with --socket PATH/)
})

test('the socket comes from the configuration', async (t) => {
  const { socket } = await serveFake(t)
  const file = join(await temporaryFolder(t), 'postern.yaml')
  await writeFile(file, `admin: { socket: ${socket} }\n`)
  assert.equal((await postern(['status', '--config', file])).code, 0)
})
