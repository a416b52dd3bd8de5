/** Connections that say nothing: what they cost, and how long somebody new waits for the greeting meanwhile. */
import { setTimeout as wait } from 'node:timers/promises'
import { Gateway } from '../../support/gateway.ts'
import { RawClient } from '../../support/raw-client.ts'
import { fileLimit, sharedOutBytes } from './memory.ts'
import { percentile, type Row } from './row.ts'
import { SMALL, timedGreeting, timedSession } from './session.ts'

const CLIENT = '127.0.0.3'
/** As many as one address may have: `limits.connectionsPerNetwork`. */
const PER_ADDRESS = 20
const AT_ONCE = 50
const SETTLE_MS = 3_000
/** Files this process needs for itself. */
const OTHER_FILES = 200

export interface IdleFound {
  readonly count: number
  readonly bytesEach: number
  readonly greetingsMs: readonly number[]
  /** How many of them were still there at the end. */
  readonly held: number
}

/**
 * Holds `wanted` connections from as many addresses of 127.0.0.0/8 as the default limit needs, each greeted and with EHLO
 * said; fewer when this process may not have so many files open. Settings: `limits.connections` alone.
 */
export async function holdIdle(wanted: number, greetings: number): Promise<IdleFound> {
  const count = Math.min(wanted, fileLimit() - OTHER_FILES)
  await using gateway = await Gateway.start({
    domains: { 'example.test': { deliver: 'discard:' } },
    relay: { networks: [] },
    limits: { connections: count + 1_000 },
  })
  const { port } = gateway
  // Warm: what is compiled and allocated once is no cost of a connection.
  for (let i = 0; i < 300; i++) await timedSession({ port, from: CLIENT, content: SMALL })
  const before = sharedOutBytes(gateway.supervisorPid)
  const clients: RawClient[] = []
  try {
    while (clients.length < count) {
      const batch = Array.from({ length: Math.min(AT_ONCE, count - clients.length) }, (_, i) =>
        RawClient.greeted({ port, from: addressOf(clients.length + i) }),
      )
      clients.push(...(await Promise.all(batch)))
    }
    await wait(SETTLE_MS)
    const bytesEach = (sharedOutBytes(gateway.supervisorPid) - before) / count
    const greetingsMs: number[] = []
    for (let i = 0; i < greetings; i++) {
      greetingsMs.push(await timedGreeting(port, CLIENT))
      await wait(10)
    }
    const { gateway: status } = await gateway.control.status()
    return { count, bytesEach, greetingsMs, held: status?.listeners[0]?.connections ?? 0 }
  } finally {
    for (const client of clients) client.destroy()
  }
}

/** From 127.1.0.1 on. */
function addressOf(number: number): string {
  const address = Math.floor(number / PER_ADDRESS)
  return `127.1.${Math.floor(address / 250)}.${(address % 250) + 1}`
}

export async function idleRows(isQuick: boolean): Promise<readonly Row[]> {
  const found = await holdIdle(isQuick ? 2_000 : 10_000, 200)
  const what = `idle, ${found.count} connections`
  return [
    { what: `${what}: memory of each`, value: found.bytesEach / 1_024, unit: 'KiB', goal: 40 },
    { what: `${what}: a greeting, p50`, value: percentile(found.greetingsMs, 0.5), unit: 'ms', goal: null },
    { what: `${what}: a greeting, p95`, value: percentile(found.greetingsMs, 0.95), unit: 'ms', goal: 1_000 },
    { what: `${what}: held to the end`, value: found.held, unit: '', goal: null },
  ]
}
