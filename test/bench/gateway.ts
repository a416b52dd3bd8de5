/** What a whole gateway does: `serve.sh` under the load of Postfix's smtp-source, 50 sessions at once. */
import { setTimeout as wait } from 'node:timers/promises'
import { freePort, isListening } from '../support/free-port.ts'
import { startPeer } from '../support/peer-programs.ts'
import { ProcessGroup } from '../support/process-group.ts'
import { cpuMsOf, treeOf } from './cpu-time.ts'

export interface Load {
  readonly mode: 'w1' | 'w3'
  /** Octets of the body; a header of some hundred comes on top. */
  readonly bodyBytes: number
  readonly messages: number
}

export interface Rate {
  readonly perSecond: number
  /** Supervisor, worker and plughost together, milliseconds. */
  readonly cpuMsPerMessage: number
}

const SESSIONS = '50'
const START_MS = 30_000
const SEND_MS = 300_000

/**
 * Starts the gateway of the checkout `root` afresh, warms it up, and measures one run.
 *
 * @throws when smtp-source is missing or has a message refused
 */
export async function measureGateway(root: string, load: Load): Promise<Rate> {
  const port = await freePort()
  const serve = `${root}/test/bench/serve.sh`
  await using gateway = ProcessGroup.start(serve, [load.mode, String(port)], { cwd: root })
  for (const end = Date.now() + START_MS; !(await isListening(port)); await wait(50)) {
    if (Date.now() > end) throw new Error(`the gateway does not listen: ${gateway.stderr.slice(-500)}`)
  }
  const send = (messages: number): Promise<void> => sendTo(port, load.bodyBytes, messages, gateway)
  await send(Math.ceil(load.messages / 2))
  const pids = treeOf(gateway.pid)
  const cpuMs = (): number => pids.reduce((sum, pid) => sum + cpuMsOf(pid), 0)
  const before = cpuMs()
  const startedAt = performance.now()
  await send(load.messages)
  const seconds = (performance.now() - startedAt) / 1_000
  return { perSecond: load.messages / seconds, cpuMsPerMessage: (cpuMs() - before) / load.messages }
}

async function sendTo(
  port: number,
  bodyBytes: number,
  messages: number,
  gateway: ProcessGroup,
): Promise<void> {
  const size = ['-l', String(bodyBytes), '-m', String(messages)]
  const envelope = ['-f', 's@bench.test', '-t', 'rcpt@bench.test']
  await using source = startPeer('smtp-source', ['-s', SESSIONS, ...size, ...envelope, `127.0.0.1:${port}`])
  const { code, stderr } = await source.end(SEND_MS)
  if (code === 0) return
  const complaints = gateway.stderr.split('\n').filter((line) => !line.includes('"level":"info"'))
  throw new Error([stderr, ...complaints.slice(-5)].join('\n'))
}
