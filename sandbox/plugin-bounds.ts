/** What the plugins of a worker may use, by name: the same through all generations. */
import { AtOnce } from './broker/at-once.ts'
import { SessionCpu } from './session-cpu.ts'
import { ToolQuotas } from './tool-quotas.ts'

const MAX_REQUESTS = 32
const MAX_EXCHANGES = 32
/** A client that is kept waiting keeps a call from others. */
const MAX_SLEEPS = 256

export class PluginBounds {
  readonly all: ToolQuotas
  readonly cpu: SessionCpu
  readonly requests = new AtOnce('http.requests', MAX_REQUESTS)
  readonly exchanges = new AtOnce('tcp.exchanges', MAX_EXCHANGES)
  readonly sleeps = new AtOnce('timer.sleeps', MAX_SLEEPS)

  /** @param now monotonic, milliseconds @param perSecond where calls come faster than mail does, Infinity */
  constructor(now: () => number = () => performance.now(), perSecond?: number) {
    this.all = new ToolQuotas(now, perSecond)
    this.cpu = new SessionCpu(now)
  }
}
