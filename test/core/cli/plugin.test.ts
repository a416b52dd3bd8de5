import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { postern } from './child.ts'
import { STATUS, serveFake, temporaryFolder } from './fake-gateway.ts'
import { runHere } from './in-process.ts'

test('plugin list shows what a running plugin is, may do and has done', async (t) => {
  const { socket } = await serveFake(t)
  const { code, stdout } = await postern(['plugin', 'list', '--socket', socket])
  assert.equal(code, 0)
  assert.equal(
    stdout,
    '  1  relay-control 1.0.0   bundled   hooks: rcpt   on error: defer\n' +
      '     may let anyone send mail anywhere\n' +
      '     9 calls, 2 refusals, 0 faults, 0.1 ms CPU a call\n',
  )
  const json = JSON.parse((await runHere(['plugin', 'list', '--json', '--socket', socket])).stdout) as object
  assert.deepEqual(json, { running: true, plugins: STATUS.gateway?.plugins })
})

test('without a gateway plugin list shows what the configuration says', async (t) => {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'postern.yaml')
  await writeFile(
    file,
    `store: { directory: ${folder} }\nplugins:\n  - name: relay-control\n  - { path: ./mine.ts, onError: hold }\n`,
  )
  const { code, stdout } = await postern(['plugin', 'list', '--config', file])
  assert.equal(code, 0)
  const lines = stdout.split('\n')
  assert.equal(lines[0], 'The gateway is not running: this is what the configuration says.')
  assert.match(lines[2] ?? '', /^ {2}1 {2}relay-control +bundled {3}on error: defer$/)
  assert.match(lines[3] ?? '', /^ {2}2 {2}\/.*\/mine\.ts {3}on error: hold$/)
  const json = JSON.parse((await runHere(['plugin', 'list', '--config', file, '--json'])).stdout) as {
    running: boolean
    plugins: Record<string, unknown>[]
  }
  assert.equal(json.running, false)
  assert.deepEqual(
    json.plugins.map(({ source, version, calls }) => [source, version, calls]),
    [
      ['bundled', null, null],
      [join(folder, 'mine.ts'), null, null],
    ],
  )
})
