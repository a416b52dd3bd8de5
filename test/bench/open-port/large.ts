/** Large messages at once, each read to its end by a plugin: memory of the worker, and how late its loop is. */
import { Gateway } from '../../support/gateway.ts'
import { RawClient } from '../../support/raw-client.ts'
import { residentBytes, waitedForProcessorMs } from './memory.ts'
import { type Row } from './row.ts'

const MIB = 1024 * 1024
const LOOK_MS = 50

export interface LargeFound {
  readonly replies: readonly string[]
  /** Most the worker had in memory at any look. */
  readonly mostBytes: number
  readonly beforeBytes: number
  readonly lateP99Ms: number
  readonly seconds: number
  /** Of `seconds`, how long the loop was ready and others had the processors. */
  readonly waitedSeconds: number
}

const READER = `import { definePlugin } from 'postern'
export default definePlugin({
  name: 'reader', version: '1.0.0', api: 1, permissions: { 'body.read': true, 'headers.write': ['X-Read'] },
  hooks: {
    async data(_event, { body, headers }) {
      let octets = 0
      for (let index = 0; ; index++) {
        const piece = await body.chunk(index)
        if (piece === undefined) break
        octets += piece.length
      }
      headers.add('X-Read', String(octets))
    },
  },
})
`

/** Sends `count` messages of `mib` MiB at once, each over a connection of its own. */
export async function sendLarge(count: number, mib: number): Promise<LargeFound> {
  await using gateway = await Gateway.start({
    domains: { 'example.test': { deliver: 'discard:' } },
    limits: { messageBytes: '256MiB', connectionsPerNetwork: count + 10 },
  })
  gateway.folder.write('reader.ts', READER)
  gateway.folder.change({
    plugins: [
      { name: 'relay-control' },
      { path: './reader.ts' },
      { name: 'recipients' },
      { name: 'routing' },
    ],
  })
  const { isReloaded } = await gateway.control.reload()
  if (!isReloaded) throw new Error('the plugin does not load')
  const pid = await gateway.workerPid()
  // Reading begins a new stretch.
  await gateway.control.metrics()
  const beforeBytes = residentBytes(pid)
  let mostBytes = beforeBytes
  const watching = setInterval(() => {
    mostBytes = Math.max(mostBytes, residentBytes(pid))
  }, LOOK_MS)
  const startedAt = performance.now()
  const waitedBefore = waitedForProcessorMs(pid)
  try {
    const sending = Array.from({ length: count }, () => sendOne(gateway.port, mib))
    const replies = await Promise.all(sending)
    const seconds = (performance.now() - startedAt) / 1_000
    const metrics = await gateway.control.metrics()
    const [, late] = /^postern_nodejs_eventloop_lag_p99_seconds(?:\{[^}]*\})? (\S+)$/m.exec(metrics) ?? []
    const waitedSeconds = (waitedForProcessorMs(pid) - waitedBefore) / 1_000
    return { replies, mostBytes, beforeBytes, lateP99Ms: Number(late) * 1_000, seconds, waitedSeconds }
  } finally {
    clearInterval(watching)
  }
}

/** As fast as it is read. Gives back the reply to the final dot. */
async function sendOne(port: number, mib: number): Promise<string> {
  using client = await RawClient.greeted({ port, patienceMs: 600_000 })
  await client.expect('250', 'MAIL FROM:<sender@client.example>')
  await client.expect('250', 'RCPT TO:<rcpt@example.test>')
  await client.expect('354', 'DATA')
  client.raw('Subject: large\r\n\r\n')
  const piece = Buffer.from(`${'x'.repeat(76)}\r\n`.repeat(840))
  for (let sent = 0; sent < mib * MIB; sent += piece.length) await client.flow(piece)
  return await client.ask('.')
}

export async function largeRows(isQuick: boolean): Promise<readonly Row[]> {
  const [count, mib] = isQuick ? [5, 20] : [20, 100]
  const found = await sendLarge(count, mib)
  const what = `large, ${count} × ${mib} MiB`
  const accepted = found.replies.filter((reply) => reply.startsWith('250')).length
  const refused = found.replies.find((reply) => !reply.startsWith('250'))
  if (refused !== undefined) process.stderr.write(`${refused}\n`)
  return [
    { what: `${what}: most memory of the worker`, value: found.mostBytes / MIB, unit: 'MiB', goal: 400 },
    { what: `${what}: before`, value: found.beforeBytes / MIB, unit: 'MiB', goal: null },
    { what: `${what}: lateness of its loop, p99`, value: found.lateP99Ms, unit: 'ms', goal: 50 },
    { what: `${what}: accepted`, value: accepted, unit: '', goal: null },
    { what: `${what}: all of it`, value: found.seconds, unit: 's', goal: null },
    { what: `${what}: waited for a processor`, value: found.waitedSeconds, unit: 's', goal: null },
  ]
}
