/**
 * The supervisor: `postern start`. It holds the store's lock, the listening sockets and the control socket, keeps a
 * worker alive, and alone acts on signals. It touches no mail and runs no plugin.
 */

import type { Config } from '../../config/config.ts'
import { namedFileProblems } from '../../config/named-files.ts'
import { formatProblem, type Problem } from '../../config/problem.ts'
import { readSandboxSources } from '../../sandbox/sources.ts'
import type { Control, GatewayStatus } from '../admin/control.ts'
import { serveControl } from '../admin/control-server.ts'
import { serveHealth } from '../admin/health-server.ts'
import type { AdminServer, Served } from '../admin/http-listener.ts'
import { createLog } from '../observe/json-log.ts'
import type { Log } from '../observe/log.ts'
import { acquireStoreLock, type StoreLock } from '../queue/store-lock.ts'
import { formatBanner, POSTERN_VERSION } from './banner.ts'
import { type GatheredControl, gatheredControl } from './gathered-control.ts'
import { KeeperProcess } from './keeper-process.ts'
import { type BoundListener, bindListener } from './listener.ts'
import { Reloading } from './reload.ts'
import { Workers } from './workers.ts'

const EXIT_FINE = 0
const EXIT_PROBLEM = 1
const NO_PROBLEMS: readonly Problem[] = []

/** What has to be given back, in the order it was taken. */
interface Taken {
  lock: StoreLock | null
  readonly listeners: BoundListener[]
  readonly servers: AdminServer[]
  /** null with one worker, which has a thread for it. */
  keeper: KeeperProcess | null
  workers: Workers | null
  reloading: Reloading | null
  /** Address of health and metrics, null without them. */
  health: string | null
  /** Nothing more is to be taken. */
  isStopping: boolean
}

/** Runs a gateway until it is told to stop. Resolves to the exit code; what kept it from starting was printed. */
export async function runSupervisor(config: Config, configFile: string): Promise<number> {
  const log = createLog(config.log.level, { process: 'supervisor', pid: process.pid })
  const taken: Taken = {
    lock: null,
    listeners: [],
    servers: [],
    keeper: null,
    workers: null,
    reloading: null,
    health: null,
    isStopping: false,
  }
  const { promise: stopAsked, resolve: askToStop } = Promise.withResolvers<string>()
  const started = Date.now()
  // From the first moment: a signal during the start stops it in good order too.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => askToStop(signal))
  // Before there is anything to reload the files have just been read.
  process.on('SIGHUP', () => void taken.reloading?.reload('SIGHUP'))
  try {
    const starting = start(config, configFile, taken, log, started, askToStop)
    const problems = await Promise.race([starting, stopAsked.then(() => breakOff(taken, starting))])
    if (problems.length > 0) {
      process.stderr.write(`${problems.map(formatProblem).join('\n\n')}\n`)
      return EXIT_PROBLEM
    }
    const reason = await stopAsked
    log.info('stopping', { reason })
    // Ours and the worker's are the same sockets: they refuse clients only when both are closed.
    closeListeners(taken)
    taken.reloading?.stop()
    await taken.workers?.stop(taken.reloading?.config.stopTimeoutMs ?? config.stopTimeoutMs)
    await taken.keeper?.close()
    log.info('stopped')
    return EXIT_FINE
  } finally {
    await giveBack(taken)
  }
}

/** A stop that was asked for before the start was over: what is begun ends, and nothing else begins. */
async function breakOff(taken: Taken, starting: Promise<readonly Problem[]>): Promise<readonly Problem[]> {
  if (taken.reloading !== null) return NO_PROBLEMS
  taken.isStopping = true
  await taken.workers?.stop(0)
  await taken.keeper?.close()
  return await starting
}

async function start(
  config: Config,
  configFile: string,
  taken: Taken,
  log: Log,
  startedAt: number,
  askToStop: (reason: string) => void,
): Promise<readonly Problem[]> {
  const { sources, problems: unreadable } = readSandboxSources(config)
  const unusable = [...namedFileProblems(config, startedAt), ...unreadable]
  if (unusable.length > 0) return unusable
  const lock = await acquireStoreLock(config.store.directory)
  if (!lock.ok) return [{ code: 'P3020', place: lock.directory, message: lock.what, remedy: lock.remedy }]
  taken.lock = lock
  if (taken.isStopping) return NO_PROBLEMS
  const problems = bindAll(config, taken)
  if (problems.length > 0) return problems
  const source = { number: 1, config, sources }
  const workers: Workers = new Workers(source, {
    keeper: async () => (await taken.keeper?.socketPath()) ?? null,
    listeners: taken.listeners,
    log,
  })
  taken.workers = workers
  taken.keeper = config.workers > 1 ? new KeeperProcess(config, () => workers.vacate(), log) : null
  const listening = taken.listeners.map((listener) => listener.config)
  const reloading = new Reloading(configFile, source, listening, workers, log)
  const control = createControl(workers, reloading, { configFile, startedAt, askToStop })
  const unserved = await serveAll(config, control, taken, log)
  if (unserved.length > 0 || taken.isStopping) return unserved
  const unopened = (await taken.keeper?.start()) ?? []
  if (unopened.length > 0 || taken.isStopping) return unopened
  const outcome = await workers.start()
  if ('problems' in outcome) return taken.isStopping ? NO_PROBLEMS : outcome.problems
  taken.reloading = reloading
  process.stdout.write(
    formatBanner({ config, listeners: listening, health: taken.health, summary: outcome.summary }),
  )
  return []
}

function bindAll(config: Config, taken: Taken): readonly Problem[] {
  const problems: Problem[] = []
  for (const listener of config.listeners) {
    const bound = bindListener(listener)
    if ('message' in bound) problems.push(bound)
    else taken.listeners.push(bound)
  }
  return problems
}

/** The control socket, and health and metrics unless they are switched off. */
async function serveAll(
  { admin }: Config,
  control: Control,
  taken: Taken,
  log: Log,
): Promise<readonly Problem[]> {
  const socket = await serveControl(control, admin.socket, log)
  if (!socket.ok) return [notServed(admin.socket, socket)]
  taken.servers.push(socket.server)
  if (admin.http === null) return []
  const http = await serveHealth(control, admin.http, log)
  if (!http.ok) return [notServed(`${admin.http.host}:${admin.http.port}`, http)]
  taken.servers.push(http.server)
  taken.health = http.server.address
  return []
}

function notServed(place: string, { problem, remedy }: Extract<Served, { ok: false }>): Problem {
  return { code: 'P3021', place, message: `${problem}.`, remedy }
}

interface ControlOptions {
  readonly configFile: string
  readonly startedAt: number
  readonly askToStop: (reason: string) => void
}

/** What the control socket offers: the worker's part passed on, the rest answered here. */
function createControl(
  workers: Workers,
  reloading: Reloading,
  { configFile, startedAt, askToStop }: ControlOptions,
): Control {
  const gathered = gatheredControl(workers)
  return {
    ...gathered,
    status: async () => ({
      version: POSTERN_VERSION,
      node: process.version,
      config: configFile,
      supervisorPid: process.pid,
      startedAt,
      workerRestarts: workers.restarts,
      gateway: await gatewayStatus(workers, gathered),
    }),
    reload: () => reloading.reload('control socket'),
    stop: async () => askToStop('control socket'),
  }
}

function closeListeners({ listeners }: Taken): void {
  for (const listener of listeners.splice(0)) listener.close()
}

/** Null while there is no worker, and when it dies over the question. */
async function gatewayStatus(workers: Workers, gathered: GatheredControl): Promise<GatewayStatus | null> {
  if (!workers.isReady) return null
  try {
    return await gathered.gatewayStatus()
  } catch (error) {
    if (!workers.isReady) return null
    throw error
  }
}

async function giveBack(taken: Taken): Promise<void> {
  const { lock, servers, keeper, workers } = taken
  // A worker that is still there failed to start, or the stop was cut short; the lock may not go before it.
  await workers?.stop(0)
  await keeper?.close()
  closeListeners(taken)
  for (const server of servers) await server.close()
  await lock?.release()
}
