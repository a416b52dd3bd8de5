/**
 * Plughosts of the tests of plugins. Starting one is most of what a test host costs, so it is used again by the next:
 * each plugin has an isolate of its own, and that of the one before is thrown away. A gateway does not do that.
 */
import { type IdlePlughosts, Plughost, type PlughostOwner } from './plughost.ts'

/** Kept between two tests; a test seldom has more hosts at once. */
const MAX_IDLE = 2
const SILENCE_MS = 10_000
const RSS_CAP_BYTES = 256 * 1024 * 1024

export class ReusedPlughosts implements IdlePlughosts {
  readonly #idle: Plughost[] = []

  /** So that one is being started while other things are done. @throws when no process can be made */
  start(): void {
    if (this.#idle.length > 0) return
    const host = new Plughost({ jit: false }, NOBODY_YET)
    this.#keep(host)
  }

  get isReady(): boolean {
    return this.#idle.some((host) => host.isReady)
  }

  take(owner: PlughostOwner): Plughost | null {
    const host = this.#idle.pop()
    if (host === undefined) return null
    host.passTo(owner)
    host.keepsProcess(true)
    return host
  }

  giveBack(host: Plughost): boolean {
    if (this.#idle.length >= MAX_IDLE) return false
    this.#keep(host)
    return true
  }

  /** It ends with this process and does not keep it. */
  #keep(host: Plughost): void {
    const forget = (): void => {
      const at = this.#idle.indexOf(host)
      if (at >= 0) this.#idle.splice(at, 1)
    }
    host.passTo({
      ...NOBODY_YET,
      onMessage: ({ type }) => {
        // Whoever speaks without having been asked is not used again.
        if (type === 'ready') return
        forget()
        host.close()
      },
      onDeath: forget,
    })
    host.keepsProcess(false)
    this.#idle.push(host)
  }
}

const NOBODY_YET: PlughostOwner = {
  rssCapBytes: () => RSS_CAP_BYTES,
  silenceMs: () => SILENCE_MS,
  onMessage: () => {},
  onDeath: () => {},
}
