/**
 * What plugins declared in two empty isolates alike, by the digest of what runs: the same octets need not be loaded a
 * second time at each reload to find out whether they declare the same. What is loaded later is held against it.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Manifest } from './manifest.ts'

const MAX_KNOWN = 1_000

export class KnownManifests {
  readonly #known = new Map<string, Manifest>()

  /** Whether this is what the plugin declared before; null: nothing is known of it. @param digest of all its code */
  isSame(digest: string, manifest: Manifest): boolean | null {
    const known = this.#known.get(digest)
    return known === undefined ? null : isDeepStrictEqual(known, manifest)
  }

  /** It declared this twice. */
  keep(digest: string, manifest: Manifest): void {
    this.#known.set(digest, manifest)
    const [oldest] = this.#known.keys()
    if (oldest !== undefined && this.#known.size > MAX_KNOWN) this.#known.delete(oldest)
  }
}
