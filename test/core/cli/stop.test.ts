import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { postern } from './child.ts'
import { STATUS, serveFake, temporaryFolder } from './fake-gateway.ts'

/** A process in the place of a supervisor. */
function standIn(t: TestContext): ChildProcess & { readonly pid: number } {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
  t.after(() => child.kill('SIGKILL'))
  assert.ok(child.pid !== undefined)
  return child as ChildProcess & { readonly pid: number }
}

test('stop asks for a stop and waits until the process is gone', async (t) => {
  const child = standIn(t)
  const { socket, calls } = await serveFake(t, {
    status: async () => ({ ...STATUS, supervisorPid: child.pid }),
    stop: async () => {
      setTimeout(() => child.kill('SIGKILL'), 300)
    },
  })
  const { code, stdout, stderr } = await postern(['stop', '--socket', socket])
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
  assert.match(stdout, new RegExp(`^Stopped \\(process ${child.pid}\\) after \\d(\\.\\d)? s\\.\\n$`))
  assert.ok(child.signalCode === 'SIGKILL')
  assert.deepEqual(calls, [['status'], ['stop']])
})

test('stop --json says which process and how long it took', async (t) => {
  const child = standIn(t)
  const { socket } = await serveFake(t, {
    status: async () => ({ ...STATUS, supervisorPid: child.pid }),
    stop: async () => {
      child.kill('SIGKILL')
    },
  })
  const { stdout } = await postern(['stop', '--json', '--socket', socket])
  const { stopped, pid, tookMs } = JSON.parse(stdout) as { stopped: boolean; pid: number; tookMs: number }
  assert.deepEqual([stopped, pid, Number.isInteger(tookMs)], [true, child.pid, true])
})

test('stop gives up after its timeout and says that mail is safe', async (t) => {
  const { pid } = standIn(t)
  const { socket } = await serveFake(t, { status: async () => ({ ...STATUS, supervisorPid: pid }) })
  const { code, stderr } = await postern(['stop', '--timeout', '0', '--socket', socket])
  assert.equal(code, 1)
  assert.match(
    stderr,
    new RegExp(`still stopping after .* \\(process ${pid}\\)\\.\\nMail is safe either way`),
  )
})

test('stop ends with 3 when no gateway is running', async (t) => {
  const { code } = await postern(['stop', '--socket', join(await temporaryFolder(t), 'control.sock')])
  assert.equal(code, 3)
})
