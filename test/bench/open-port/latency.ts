/** Sessions that begin at fixed moments, whoever is still busy with earlier ones: how long each takes. */
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { Gateway } from '../../support/gateway.ts'
import { ProcessGroup } from '../../support/process-group.ts'
import { until } from '../../support/until.ts'
import { percentile, type Row } from './row.ts'
import { messageOf, timedSession } from './session.ts'

const CLIENT = '127.0.0.1'
const CONTENT = messageOf(4_096)

/** Of the gateway, milliseconds of each session. */
export async function timeGateway(perSecond: number, seconds: number): Promise<readonly number[]> {
  await using gateway = await Gateway.start({
    domains: { 'example.test': { deliver: 'discard:' } },
    limits: 'off',
  })
  return await timeOpenLoop(gateway.port, perSecond, seconds)
}

/** Of smtp-server alone, which keeps and asks nothing. */
export async function timeBare(perSecond: number, seconds: number): Promise<readonly number[]> {
  await using bare = ProcessGroup.start(process.execPath, [join(import.meta.dirname, 'bare-smtp-server.ts')])
  await until(() => bare.stdout.includes('\n'), 'the bare server')
  return await timeOpenLoop(Number(bare.stdout), perSecond, seconds)
}

/** Counted from the moment each should have begun. */
async function timeOpenLoop(port: number, perSecond: number, seconds: number): Promise<readonly number[]> {
  const session = { port, from: CLIENT, content: CONTENT }
  for (let i = 0; i < 500; i++) await timedSession(session)
  const begunAt = performance.now() + 100
  const times = Array.from({ length: perSecond * seconds }, async (_, number) => {
    const dueAt = begunAt + (number * 1_000) / perSecond
    await wait(Math.max(0, dueAt - performance.now()))
    const lateMs = Math.max(0, performance.now() - dueAt)
    // A timer may come up to a millisecond late; that is not the server's.
    return (await timedSession(session)) + (lateMs > 2 ? lateMs : 0)
  })
  return await Promise.all(times)
}

export async function latencyRows(isQuick: boolean): Promise<readonly Row[]> {
  const bare: number[] = []
  const times: number[] = []
  // In turns, for what else the machine does changes both.
  for (let round = 0; round < (isQuick ? 1 : 3); round++) {
    bare.push(...(await timeBare(100, isQuick ? 5 : 15)))
    times.push(...(await timeGateway(100, isQuick ? 5 : 15)))
  }
  const what = 'latency, 100 sessions/s, 4 KB'
  const p99 = percentile(times, 0.99)
  const bareP99 = percentile(bare, 0.99)
  return [
    { what: `${what}: p50`, value: percentile(times, 0.5), unit: 'ms', goal: null },
    { what: `${what}: p99`, value: p99, unit: 'ms', goal: null },
    { what: `${what}: smtp-server alone, p50`, value: percentile(bare, 0.5), unit: 'ms', goal: null },
    { what: `${what}: smtp-server alone, p99`, value: bareP99, unit: 'ms', goal: null },
    { what: `${what}: p99 against smtp-server alone`, value: p99 / bareP99, unit: 'times', goal: 2 },
  ]
}
