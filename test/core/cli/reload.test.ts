import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serveFake } from './fake-gateway.ts'
import { runHere } from './in-process.ts'

const PROBLEM = {
  code: 'P1009',
  place: 'mark.ts:2:7',
  message: 'The plugin "mark" does not load: at load.',
  remedy: 'mend the plugin; nothing of it runs before the hooks do',
}

test('reload says which generation is in force', async (t) => {
  const { socket, calls } = await serveFake(t)
  assert.deepEqual(await runHere(['reload', '--socket', socket]), {
    code: 0,
    stdout: 'Reloaded in 40 ms: generation 2 is in force.\n',
    stderr: '',
  })
  assert.deepEqual(calls, [['reload']])
})

test('a reload that changed nothing ends with 1 and says why', async (t) => {
  const outcome = { isReloaded: false, generation: 3, problems: [PROBLEM], tookMs: 7 }
  const { socket } = await serveFake(t, { reload: async () => outcome })
  const { code, stdout, stderr } = await runHere(['reload', '--socket', socket])
  assert.equal(code, 1)
  assert.equal(stdout, '')
  assert.match(stderr, /^P1009 {2}mark\.ts:2:7 {2}The plugin "mark" does not load: at load\.\nFix: mend /)
  assert.match(stderr, /\n\nNothing was changed: generation 3 is in force\.\n$/)
  const json = await runHere(['--json', 'reload', '--socket', socket])
  assert.deepEqual({ code: json.code, outcome: JSON.parse(json.stdout) }, { code: 1, outcome })
})
