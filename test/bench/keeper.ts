/**
 * What a keeper does in a second: messages stored with a lease and settled, by a worker beside its thread and by
 * workers at its process. Not a test: `node test/bench/keeper.ts [seconds] [loops of each worker]`.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { FromKeeperProcess } from '../../core/process/keeper-messages.ts'
import { type Keeper, startKeeper } from '../../core/queue/keeper.ts'
import { connectKeeper } from '../../core/queue/keeper-socket.ts'
import { createQueueIds } from '../../core/queue/queue-id.ts'
import { delivered, HEAD, newMessage } from '../conformance/queue-store/fixture.ts'

const SOURCE = '../../core/process'
const THREAD = new URL(`${SOURCE}/keeper-thread.ts`, import.meta.url)
const PROCESS = new URL(`${SOURCE}/keeper.ts`, import.meta.url)
const BODY_BYTES = 4_000
const WARM_UP_MS = 1_000

const [, , seconds = '8', loops = '100', place = ''] = process.argv
const onDeath = (fault: Error): never => {
  throw fault
}

if (process.send !== undefined) await work()
else await compare()

/** A worker: says how many it has settled in the time given, and what its loop cost. */
async function work(): Promise<void> {
  const owner = `worker-${process.pid}`
  const keeper = await (place.endsWith('.sock')
    ? connectKeeper({ socketPath: place, owner, onDeath, onWork: () => {} })
    : startKeeper({ entry: THREAD, directory: place, onDeath }))
  const count = { settled: 0, isOver: false }
  const running = Array.from({ length: Number(loops) }, () => addAndSettle(keeper, owner, count))
  await wait(WARM_UP_MS)
  const before = count.settled
  const cpu = process.cpuUsage()
  await wait(Number(seconds) * 1_000)
  const settled = count.settled - before
  const { user, system } = process.cpuUsage(cpu)
  count.isOver = true
  await Promise.all(running)
  await keeper.close()
  process.send?.({ settled, cpuMs: (user + system) / 1_000 })
  process.disconnect()
}

async function addAndSettle(
  { queue }: Keeper,
  owner: string,
  count: { settled: number; isOver: boolean },
): Promise<void> {
  const newId = createQueueIds(Date.now)
  const content = { kind: 'inline', bytes: Buffer.alloc(BODY_BYTES, 'x') } as const
  while (!count.isOver) {
    const message = newMessage(0, { id: newId(), stored: { head: HEAD, content, contentOffset: 0 } })
    const [delivery] = await queue.add(message, { owner, until: message.acceptedAt + 60_000 })
    if (delivery !== undefined) await queue.settle(delivery, [delivered('rcpt@example.test')], [])
    count.settled += 1
  }
}

async function compare(): Promise<void> {
  await measure('thread, 1 worker ', 1, false)
  await measure('process, 1 worker ', 1, true)
  await measure('process, 2 workers', 2, true)
}

async function measure(name: string, workers: number, isProcess: boolean): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-bench-'))
  const keeper = isProcess ? fork(PROCESS, [directory, 'error']) : null
  const [message] = keeper === null ? [null] : ((await once(keeper, 'message')) as [FromKeeperProcess])
  const at = message?.type === 'ready' ? message.socketPath : directory
  const children = Array.from({ length: workers }, () => fork(import.meta.filename, [seconds, loops, at]))
  const results = await Promise.all(children.map(resultOf))
  const settled = results.reduce((sum, result) => sum + result.settled, 0)
  const cpuMs = results.reduce((sum, result) => sum + result.cpuMs, 0)
  const perSecond = Math.round(settled / Number(seconds))
  process.stdout.write(
    `${name}: ${perSecond} messages/s stored and settled, ${(cpuMs / settled).toFixed(3)} ms CPU of workers each\n`,
  )
  if (keeper?.connected === true) {
    keeper.send({ type: 'close' })
    await once(keeper, 'exit')
  }
  await rm(directory, { recursive: true })
}

async function resultOf(child: ChildProcess): Promise<{ settled: number; cpuMs: number }> {
  const [result] = (await once(child, 'message')) as [{ settled: number; cpuMs: number }]
  return result
}
