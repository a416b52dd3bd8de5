/** A crowd from one address, and a client from another: how long its sessions take. */
import { setTimeout as wait } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { Gateway, type GatewaySettings } from '../../support/gateway.ts'
import { until } from '../../support/until.ts'
import { percentile, type Row } from './row.ts'
import { SMALL, timedSession } from './session.ts'

const CROWD = '127.0.0.2'
const CLIENT = '127.0.0.3'
const SETTLE_MS = 1_000
const PAUSE_MS = 20

export interface CrowdOptions {
  readonly slow: number
  readonly flood: number
  /** Sessions of the client. */
  readonly sessions: number
  /** Whether limits by client network let the crowd in. */
  readonly isLetIn: boolean
}

interface Crowd {
  readonly connections: number
  readonly held: number
}

/** Milliseconds of each session of the client, and how large the crowd was. */
export async function throughCrowd(
  options: CrowdOptions,
): Promise<{ readonly sessionsMs: readonly number[] } & Crowd> {
  await using gateway = await Gateway.start(settings(options))
  for (let i = 0; i < 20; i++) await timedSession({ port: gateway.port, from: CLIENT, content: SMALL })
  const { slow, flood } = options
  const thread = new Worker(new URL('./crowd-thread.ts', import.meta.url), {
    workerData: { port: gateway.port, from: CROWD, slow, flood },
  })
  let crowd: Crowd = { connections: 0, held: 0 }
  thread.on('message', (message: Crowd) => {
    crowd = message
  })
  try {
    // Those that are turned away count as connections too.
    await until(() => crowd.connections >= slow, 'the crowd', 60_000)
    await wait(SETTLE_MS)
    const sessionsMs: number[] = []
    for (let i = 0; i < options.sessions; i++) {
      sessionsMs.push(await timedSession({ port: gateway.port, from: CLIENT, content: SMALL }))
      await wait(PAUSE_MS)
    }
    return { sessionsMs, ...crowd }
  } finally {
    await thread.terminate()
  }
}

/** Nobody is trusted. Where the crowd is let in, what one network may use is lifted, and nothing else. */
function settings({ isLetIn, slow, flood }: CrowdOptions): GatewaySettings {
  const most = 1_000_000
  const counts = [
    'connections',
    'messages',
    'recipients',
    'errors',
    'junk',
    'unknownRecipients',
    'authFailures',
  ]
  const network = Object.fromEntries(counts.map((name) => [name, most]))
  const limits = { connectionsPerNetwork: slow + flood + 100, network }
  return {
    domains: { 'example.test': { deliver: 'discard:' } },
    relay: { networks: [] },
    ...(isLetIn ? { limits } : {}),
  }
}

export async function crowdRows(isQuick: boolean): Promise<readonly Row[]> {
  const rows: Row[] = []
  for (const isLetIn of [false, true]) {
    const options = { slow: 500, flood: 50, sessions: isQuick ? 50 : 300, isLetIn }
    const { sessionsMs, connections, held } = await throughCrowd(options)
    const how = `crowd, ${isLetIn ? 'its network unlimited' : 'default limits'}`
    rows.push(
      { what: `${how}: a session, p50`, value: percentile(sessionsMs, 0.5), unit: 'ms', goal: null },
      { what: `${how}: a session, p95`, value: percentile(sessionsMs, 0.95), unit: 'ms', goal: 1_000 },
      { what: `${how}: a session, slowest`, value: Math.max(...sessionsMs), unit: 'ms', goal: null },
      {
        what: `${how}: slow connections open, those about to hear 421 too`,
        value: held,
        unit: '',
        goal: null,
      },
      { what: `${how}: connections made`, value: connections, unit: '', goal: null },
    )
  }
  return rows
}
