/** Books of an experiment with a deliverer: what was stored for whom, and what came to the remotes. */
import assert from 'node:assert/strict'
import type { Stand } from '../core/delivery/delivery-stand.ts'
import type { FakeRemote } from '../support/fake-remote.ts'

export class Books {
  readonly #texts = new Map<string, string>()
  readonly #stand: Stand

  constructor(stand: Stand) {
    this.#stand = stand
  }

  /** Messages stored. */
  get size(): number {
    return this.#texts.size
  }

  /** Stores messages of their own for one recipient each. */
  async send(route: string, count: number, recipient = 'rcpt@remote.test', bodyBytes = 2_000): Promise<void> {
    for (let sent = 0; sent < count; sent++) {
      const id = `m${this.#texts.size + 1}`
      const text = `X-Id: ${id}\r\nSubject: ${id}\r\n\r\n${`${id} `.repeat(Math.ceil(bodyBytes / 4))}\r\n`
      this.#texts.set(id, text)
      await this.#stand.accept(route, [recipient], text)
    }
  }

  /** How often each came, and was taken. @throws AssertionError when one came with other octets than were stored */
  taken(remotes: readonly FakeRemote[]): ReadonlyMap<string, number> {
    const counts = new Map<string, number>()
    for (const { content } of remotes.flatMap(({ accepted }) => accepted)) {
      const id = /^X-Id: (\S+)\r$/m.exec(content.toString('latin1'))?.[1] ?? ''
      if (id === '') continue
      assert.equal(
        content.toString('latin1'),
        `X-Head: 1\r\n${this.#texts.get(id)}`,
        `${id} as it was stored`,
      )
      counts.set(id, (counts.get(id) ?? 0) + 1)
    }
    return counts
  }

  /** Every message was taken, exactly once. */
  assertAllOnce(remotes: readonly FakeRemote[]): void {
    const taken = this.taken(remotes)
    assert.deepEqual(
      [...this.#texts.keys()].filter((id) => taken.get(id) !== 1),
      [],
      'taken once each',
    )
  }
}

/** Resident memory now, octets. */
export function memoryBytes(): number {
  return process.memoryUsage.rss()
}
