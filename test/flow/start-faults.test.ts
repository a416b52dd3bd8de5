/** A gateway that cannot start says why in one message with place and remedy, exits 1, and leaves nothing behind. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import { Gateway, GatewayFolder } from '../support/gateway.ts'
import { message } from '../support/message-bytes.ts'

const END_MS = 30_000

/** `postern start` on a configuration that has a fault: what it said on stderr, after all that is the same for each. */
async function startFails(folder: GatewayFolder): Promise<string> {
  await using group = folder.launch(['start'])
  const { code, signal, stdout, stderr } = await group.end(END_MS)
  assert.deepEqual({ code, signal, stdout }, { code: 1, signal: null, stdout: '' }, stderr)
  assert.deepEqual(group.members(), [], 'no process is left')
  assert.ok(!existsSync(folder.socket), 'no control socket is left')
  assert.doesNotMatch(stderr, /^\s+at |node:internal|Error:/m, 'no stack trace')
  assert.equal(stderr.match(/^Fix: /gm)?.length, 1, `one message:\n${stderr}`)
  return stderr
}

const LISTENER = 'listeners: [{ address: "127.0.0.1:0" }]'
const STORE = 'store: { directory: ./store }'
const PLUGINS = 'plugins: [{ name: relay-control }]'
const ADMIN = 'admin: { socket: ./control.sock, http: "off" }'

interface Fault {
  readonly name: string
  readonly lines: readonly string[]
  /** Files beside the configuration. */
  readonly files?: Readonly<Record<string, string>>
  /** Lines on stderr, FOLDER standing for the folder of the configuration. */
  readonly says: readonly string[]
}

const faults: readonly Fault[] = [
  {
    name: 'a misspelt setting',
    lines: [ADMIN, LISTENER, STORE, PLUGINS, 'domians: {}'],
    says: [
      'P1101  FOLDER/postern.yaml:5:1  Unknown setting "domians".',
      '   5 | domians: {}',
      '     | ^^^^^^^',
      'Fix: did you mean "domains"?',
    ],
  },
  {
    name: 'a value of the wrong type',
    lines: [ADMIN, LISTENER, STORE, PLUGINS, 'limits: { recipientsPerMessage: many }'],
    says: [
      'P1105  FOLDER/postern.yaml:5:33  Setting "limits.recipientsPerMessage": found "many", expected a whole number.',
      '   5 | limits: { recipientsPerMessage: many }',
      '     |                                 ^^^^',
      'Fix: write for example  recipientsPerMessage: 100',
    ],
  },
  {
    name: 'a plugin nobody knows',
    lines: [ADMIN, LISTENER, STORE, 'plugins:', '  - name: relay-contol'],
    says: [
      'P1001  FOLDER/postern.yaml:5:5  There is no plugin called "relay-contol".',
      'Fix: did you mean "relay-control"? For a plugin of your own write "path: ./plugins/relay-contol.ts"',
    ],
  },
  {
    name: 'a syntax error in a plugin',
    lines: [ADMIN, LISTENER, STORE, 'plugins:', '  - name: relay-control', '  - path: ./broken.ts'],
    files: {
      'broken.ts': [
        "import { definePlugin } from 'postern'",
        '',
        'export default definePlugin({',
        "  name: 'broken' version: '1.0.0',",
        '})',
        '',
      ].join('\n'),
    },
    says: [
      "P1005  broken.ts:4:18  Syntax error: Expected ',', got 'ident'.",
      "   4 |   name: 'broken' version: '1.0.0',",
      '     |                  ^',
      'Fix: correct the line; an editor with TypeScript shows the same',
    ],
  },
  {
    name: 'a store below a regular file',
    lines: [ADMIN, LISTENER, PLUGINS, 'store: { directory: ./taken/store }'],
    files: { taken: 'not a folder' },
    says: [
      "P3020  FOLDER/taken/store  The store cannot be used: ENOTDIR: not a directory, mkdir 'FOLDER/taken/store'.",
      'Fix: a part of the path is a file: choose another store.directory',
    ],
  },
  {
    name: 'a control socket where a file lies',
    lines: [LISTENER, STORE, PLUGINS, 'admin: { socket: ./taken, http: "off" }'],
    files: { taken: 'not a socket' },
    says: [
      'P3021  FOLDER/taken  The control socket cannot be made at FOLDER/taken: a file that is no socket lies there.',
      'Fix: move that file away, or give admin.socket another path',
    ],
  },
]

for (const { name, lines, files = {}, says } of faults) {
  test(`${name} is one message with place and remedy`, async () => {
    await using folder = await GatewayFolder.make({})
    folder.write('postern.yaml', `${lines.join('\n')}\n`)
    for (const [file, text] of Object.entries(files)) folder.write(file, text)
    const stderr = await startFails(folder)
    assert.equal(stderr.replaceAll(folder.path, 'FOLDER'), `${says.join('\n')}\n`)
  })
}

test('a port in use is one message with place and remedy', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  try {
    const { port } = other.address() as AddressInfo
    await using folder = await GatewayFolder.make({ listeners: [{ address: `127.0.0.1:${port}` }] })
    assert.equal(
      await startFails(folder),
      `P3001  127.0.0.1:${port}  Cannot listen: another program uses this address and port.\n` +
        `Fix: stop that program (ss -ltnp 'sport = :${port}' names it), or choose another port under "listeners"\n`,
    )
  } finally {
    other.close()
  }
})

test('a second gateway on the same store is refused, and the first one goes on', async () => {
  await using first = await Gateway.start()
  const directory = `${first.folder.path}/store`
  await using second = await GatewayFolder.make({ store: { directory } })
  assert.equal(
    await startFails(second),
    `P3020  ${directory}  The store is in use by process ${first.supervisorPid}.\n` +
      'Fix: stop the gateway that runs there, or give this one a store.directory of its own\n',
  )
  assert.match(await first.send(['anna@example.test'], message('still there')), /^250 /)
})
