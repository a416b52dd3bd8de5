/**
 * No file or no process for a plughost: that may pass, so it is tried again, and whoever asked meanwhile is answered by
 * the next one. What is short is files, for they can be counted: which call fails depends on how many are left.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { type Ended, ProcessGroup } from '../support/process-group.ts'

const CHILD = join(import.meta.dirname, 'starved-child.ts')
const MAX_FILES = 64
/** From none at all to enough: the breadcrumb, the pipes to the child, and what the fork itself takes. */
const LEFT = [0, 1, 2, 6, 12]

async function starved(what: 'open' | 'replace', left: number): Promise<Ended> {
  const script = `ulimit -n ${MAX_FILES} && exec "$0" "$@"`
  await using group = ProcessGroup.start(
    'sh',
    ['-c', script, process.execPath, CHILD, what, String(left)],
    {},
  )
  const ended = await group.end(60_000)
  assert.deepEqual({ code: ended.code, signal: ended.signal }, { code: 0, signal: null }, ended.stderr)
  return ended
}

describe('a machine without files', { concurrency: 2 }, () => {
  for (const left of LEFT) {
    test(`${left} left: a plughost that died is replaced as soon as that can be, and the call answered`, async () => {
      const { stdout } = await starved('replace', left)
      const { answered, events } = JSON.parse(stdout) as { answered: unknown[]; events: string[] }
      assert.deepEqual(answered, [null], 'an answer without a fault')
      const [died, ...rest] = events
      assert.equal(died, 'plughost-died')
      assert.equal(rest.at(-1), 'plughost-started')
      if (left === 0) assert.ok(rest.includes('plughost-not-started'))
    })
  }

  for (const left of [1, 2]) {
    test(`${left} left at the start: that is said, and nobody waits for it`, async () => {
      const { stdout } = await starved('open', left)
      assert.match(JSON.parse(stdout).problems, /does not load: the plughost did not start: /)
    })
  }
})
