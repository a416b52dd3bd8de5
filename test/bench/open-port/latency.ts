/** Sessions that begin at fixed moments, whoever is still busy with earlier ones: how long each takes. */
import { setTimeout as wait } from 'node:timers/promises'
import { Gateway } from '../../support/gateway.ts'
import { percentile, type Row } from './row.ts'
import { messageOf, timedSession } from './session.ts'

const CLIENT = '127.0.0.1'
const CONTENT = messageOf(4_096)

/** Milliseconds of each session, counted from the moment it should have begun. */
export async function timeOpenLoop(perSecond: number, seconds: number): Promise<readonly number[]> {
  await using gateway = await Gateway.start({
    domains: { 'example.test': { deliver: 'discard:' } },
    limits: 'off',
  })
  const { port } = gateway
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
  const times = await timeOpenLoop(100, isQuick ? 5 : 30)
  const what = 'latency, 100 sessions/s, 4 KB'
  return [
    { what: `${what}: p50`, value: percentile(times, 0.5), unit: 'ms', goal: null },
    { what: `${what}: p99`, value: percentile(times, 0.99), unit: 'ms', goal: 8.4 },
    { what: `${what}: slowest`, value: Math.max(...times), unit: 'ms', goal: null },
  ]
}
