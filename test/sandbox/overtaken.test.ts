/**
 * A plughost that gets no CPU: the time of a stay runs out on the wall, and that is not the plugin's fault. It is asked
 * again in a new isolate, and neither blamed nor quarantined. Here the process is stopped, as a busy machine would do.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { fixturePlugin, testSandbox } from '../support/sandbox.ts'
import { TemporaryFolder } from '../support/temporary-folder.ts'

/** Busy until the clock says the time it was told: in the second try that is over. */
const SOURCE = `import { definePlugin } from 'postern'
export default definePlugin({ name: 'busy', version: '1.0.0', api: 1, hooks: {
  rcpt({ localPart }) {
    if (Date.now() < Number(localPart)) for (;;);
  },
} })
`
/** Longer than a stay may take, and shorter than silence of the whole process may be. */
const STOPPED_MS = 200
/** Well below the half of a stay's 100 ms that makes a plugin the culprit. */
const MOST_CPU_MS = 30
const TRIES = 20

test('time that ran out while the plughost was stopped is not charged to the plugin', async () => {
  await using folder = await TemporaryFolder.make()
  const path = join(folder.path, 'busy.ts')
  writeFileSync(path, SOURCE)
  const sandbox = await testSandbox([fixturePlugin('busy', { source: { kind: 'file', path } })])
  try {
    for (let tried = 1; ; tried++) {
      const { usedMs, fault } = await overtaken()
      if (usedMs > MOST_CPU_MS && tried < TRIES) continue
      assert.ok(usedMs <= MOST_CPU_MS, `it could not be stopped early enough in ${TRIES} tries`)
      assert.equal(fault, null)
      break
    }
  } finally {
    sandbox.close()
  }

  /** One call, stopped as soon as the plugin is seen to be at it. */
  async function overtaken() {
    const pid = sandbox.pidOf('busy') ?? 0
    await wait(50)
    const before = cpuMs(pid)
    const asked = sandbox.rcpt(String(Date.now() + STOPPED_MS))
    while (cpuMs(pid) - before < 5) await wait(1)
    process.kill(pid, 'SIGSTOP')
    const usedMs = cpuMs(pid) - before
    await wait(STOPPED_MS)
    process.kill(pid, 'SIGCONT')
    const [report] = await asked
    return { usedMs, fault: report?.fault }
  }
})

test('one that never ends is found although the plughost is stopped again and again', async () => {
  await using folder = await TemporaryFolder.make()
  const path = join(folder.path, 'busy.ts')
  writeFileSync(path, SOURCE)
  const sandbox = await testSandbox([fixturePlugin('busy', { source: { kind: 'file', path } })])
  try {
    const pid = sandbox.pidOf('busy') ?? 0
    const asked = sandbox.rcpt(String(Number.MAX_SAFE_INTEGER))
    let isOver = false
    void asked.finally(() => {
      isOver = true
    })
    // A quarter of the time it runs: no stay has its half, all of them together soon have.
    while (!isOver) {
      process.kill(pid, 'SIGSTOP')
      await wait(30)
      process.kill(pid, 'SIGCONT')
      await wait(10)
    }
    const [report] = await asked
    assert.equal(report?.fault?.kind, 'timeout', report?.fault?.message)
  } finally {
    sandbox.close()
  }
})

/** CPU time of its main thread. */
function cpuMs(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ')[0]) / 1e6
}
