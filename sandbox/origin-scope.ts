/**
 * Where a plugin may send: origins, each scheme, host and port (RFC 6454 §4), or targets of TCP, each host and port.
 * Without patterns.
 */
import { isIP } from 'node:net'

export class OriginScope {
  readonly #asked: ReadonlySet<string>
  readonly #granted: ReadonlySet<string>

  /** @param granted of those asked for, the ones a human has named: they may be anywhere, not only on the Internet */
  constructor(asked: readonly string[], granted: readonly string[]) {
    this.#asked = new Set(asked)
    this.#granted = new Set(granted)
  }

  allows(origin: string): boolean {
    return this.#asked.has(origin)
  }

  /** Whether it may be at an address that is not on the Internet. */
  allowsPrivate(origin: string): boolean {
    return this.#asked.has(origin) && this.#granted.has(origin)
  }
}

/** Whether the host of a place is an address itself, so that nothing can lead elsewhere. */
export function isAtAddress(place: string): boolean {
  const host = place.replace(/^https?:\/\//, '').replace(/:\d+$/, '')
  return isIP(host.replace(/^\[(.*)\]$/, '$1')) !== 0
}

/** Whether a text is an origin as it is compared: `https://api.example.test`, `http://10.0.0.1:8080`. */
export function isOrigin(text: unknown): text is string {
  if (typeof text !== 'string' || !/^https?:\/\//.test(text) || !URL.canParse(text)) return false
  // URL takes a * for a letter; here it would look like a pattern.
  return new URL(text).origin === text && !text.includes('*')
}
