/** Entry of a worker: a gateway, started and stopped by the supervisor. It dies with the supervisor, not with a signal. */
import type { Server } from 'node:net'
import type { ListenerConfig } from '../../config/config.ts'
import type { GatewayControl } from '../admin/control.ts'
import { createGateway, type Gateway } from '../gateway/gateway.ts'
import { systemClock } from '../observe/clock.ts'
import { createLog } from '../observe/json-log.ts'
import type { GatewayMethod, ToSupervisor, ToWorker } from './messages.ts'

let gateway: Gateway | null = null
/** The start, as far as it got. */
let begun: Promise<void> = Promise.resolve()
let awaited = Number.POSITIVE_INFINITY
let starting: (ToWorker & { type: 'start' }) | null = null
const sockets: { readonly config: ListenerConfig; readonly handle: Server }[] = []

// Mail is nobody else's to read, whatever the mode of the folders it lies in.
process.umask(0o077)
// The supervisor decides when a worker ends; a terminal's Ctrl-C reaches the whole group.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
// Without a supervisor nobody holds the store's lock: stop at once, the next start takes over what was in hand.
process.on('disconnect', () => process.exit(0))
process.on('message', (message: ToWorker, handle: unknown) => {
  switch (message.type) {
    case 'start':
      starting = message
      awaited = message.listeners
      return begin()
    case 'listener':
      sockets.push({ config: message.config, handle: handle as Server })
      return begin()
    case 'stop':
      return void stop(message.timeoutMs)
    case 'ask':
      // The supervisor's control server has checked name and arguments.
      return void answer(message.id, ({ control }) => controlMethod(control, message.method)(...message.args))
    case 'prepare':
      return void answer(message.id, (running) => running.prepare(message.source))
    case 'activate':
      return void answer(message.id, (running) => running.activate(message.number))
    case 'discard':
      return void answer(message.id, (running) => running.discard(message.number))
  }
})
tell({ type: 'here' })

function begin(): void {
  if (starting === null || sockets.length < awaited) return
  const { source, keeper: keeperSocket } = starting
  awaited = Number.POSITIVE_INFINITY
  const log = createLog(source.config.log.level, { process: 'worker', pid: process.pid })
  begun = createGateway(source, sockets, { keeperSocket, log, clock: systemClock }).then(
    (made) => {
      if ('problems' in made) return fail(made.problems)
      gateway = made
      tell({ type: 'ready', summary: made.summary })
    },
    (error: unknown) => {
      log.error('worker-bug', { stack: error instanceof Error ? error.stack : String(error) })
      process.exit(1)
    },
  )
}

function fail(problems: Extract<ToSupervisor, { type: 'failed' }>['problems']): void {
  process.send?.({ type: 'failed', problems } satisfies ToSupervisor, undefined, undefined, () =>
    process.exit(1),
  )
}

async function stop(timeoutMs: number): Promise<void> {
  // Deliveries begin before it is ready; the supervisor does not wait for ever.
  await begun
  await gateway?.stop(timeoutMs)
  process.exit(0)
}

async function answer(id: number, work: (running: Gateway) => unknown): Promise<void> {
  try {
    if (gateway === null) throw new Error('the gateway is starting')
    tell({ type: 'answer', id, result: await work(gateway) })
  } catch (error) {
    tell({ type: 'answer-failed', id, message: error instanceof Error ? error.message : String(error) })
  }
}

function controlMethod(
  control: GatewayControl,
  name: GatewayMethod,
): (...args: readonly unknown[]) => unknown {
  return control[name] as unknown as (...args: readonly unknown[]) => unknown
}

function tell(message: ToSupervisor): void {
  if (process.connected) process.send?.(message)
}
