/** The other book: what reached the next server, written down there before it is answered for, and the balance of both. */
import { createHash } from 'node:crypto'
import { FakeRemote } from './fake-remote.ts'
import type { LedgerRow } from './ledger-client.ts'

export interface Balance {
  readonly sent: number
  /** 250 after the final dot: a promise. */
  readonly acknowledged: number
  /** Any other reply, also to a command before. */
  readonly refused: number
  /** Refused for good. */
  readonly permanent: readonly string[]
  /** The connection was lost behind the final dot: it may arrive or not. */
  readonly unknown: number
  readonly delivered: number
  /** Promised, and not at the sink. */
  readonly lost: readonly string[]
  /** At the sink with other octets than were sent. */
  readonly altered: readonly string[]
  /** At the sink although it was refused, or never sent to its end. */
  readonly uninvited: readonly string[]
  /** Deliveries beyond the first one of each message. */
  readonly duplicates: number
}

export class LedgerSink implements AsyncDisposable {
  readonly #remote: FakeRemote

  private constructor(remote: FakeRemote) {
    this.#remote = remote
  }

  static async start(): Promise<LedgerSink> {
    return new LedgerSink(await FakeRemote.start())
  }

  get route(): string {
    return this.#remote.route
  }

  /** Sums of the bodies that arrived, by id. */
  deliveries(): ReadonlyMap<string, readonly string[]> {
    const byId = new Map<string, string[]>()
    for (const { content } of this.#remote.accepted) {
      const bodyAt = content.indexOf('\r\n\r\n') + 4
      const id = /^X-Id: (\S+)\r$/m.exec(content.subarray(0, bodyAt).toString('latin1'))?.[1] ?? ''
      const sha256 = createHash('sha256').update(content.subarray(bodyAt)).digest('hex')
      byId.set(id, [...(byId.get(id) ?? []), sha256])
    }
    return byId
  }

  /** Compares with what the client was told. */
  balance(rows: readonly LedgerRow[]): Balance {
    const deliveries = this.deliveries()
    const promised = rows.filter(isPromised)
    const refused = rows.filter((row) => row.reply !== '' && !isPromised(row))
    const ids = (of: readonly LedgerRow[]): readonly string[] => of.map(({ id }) => id)
    return {
      sent: rows.length,
      acknowledged: promised.length,
      refused: refused.length,
      permanent: refused
        .filter(({ reply }) => reply.startsWith('5'))
        .map(({ id, reply }) => `${id}: ${reply}`),
      unknown: rows.filter(({ isDotted, reply }) => isDotted && reply === '').length,
      delivered: deliveries.size,
      lost: ids(promised).filter((id) => !deliveries.has(id)),
      altered: ids(rows.filter(({ id, sha256 }) => deliveries.get(id)?.some((sum) => sum !== sha256))),
      uninvited: ids(rows.filter(isNotTaken)).filter((id) => deliveries.has(id)),
      duplicates: [...deliveries.values()].reduce((sum, { length }) => sum + length - 1, 0),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#remote.stop()
  }
}

function isNotTaken({ isDotted, reply }: LedgerRow): boolean {
  return !isDotted || (reply !== '' && !reply.startsWith('250'))
}

function isPromised({ isDotted, reply }: LedgerRow): boolean {
  return isDotted && reply.startsWith('250')
}
