/** The state store a worker uses when a keeper owns the databases. */
import type { StateStore } from '../state/state-store.ts'
import { MAX_KEY_BYTES, MAX_VALUE_BYTES } from '../state/state-store.ts'
import type { KeeperClient } from './keeper-client.ts'
import type { StateCall, StateOperations } from './keeper-protocol.ts'

export class KeeperStateStore implements StateStore {
  readonly #client: KeeperClient
  readonly #close: () => Promise<void>

  constructor(client: KeeperClient, close: () => Promise<void>) {
    this.#client = client
    this.#close = close
  }

  async get(key: string, now: number): Promise<string | undefined> {
    return (await this.#call<'get'>({ name: 'get', arguments: { key, now } })) ?? undefined
  }

  async set(key: string, value: string, expiresAt: number): Promise<void> {
    requireLength('key', key, MAX_KEY_BYTES)
    requireLength('value', value, MAX_VALUE_BYTES)
    await this.#call({ name: 'set', arguments: { key, value, expiresAt } })
  }

  async increment(key: string, by: number, now: number, expiresAt: number): Promise<number> {
    requireLength('key', key, MAX_KEY_BYTES)
    if (!Number.isSafeInteger(by)) throw new RangeError(`${by} is not a whole number`)
    return this.#call({ name: 'increment', arguments: { key, by, now, expiresAt } })
  }

  async delete(key: string): Promise<void> {
    await this.#call({ name: 'delete', arguments: { key } })
  }

  /** Closes the keeper, and with it the queue store. */
  close(): Promise<void> {
    return this.#close()
  }

  async #call<Name extends StateCall['name']>(
    call: Extract<StateCall, { name: Name }>,
  ): Promise<StateOperations[Name]['answer']> {
    const { value } = await this.#client.call({ store: 'state', call })
    return value as StateOperations[Name]['answer']
  }
}

function requireLength(what: string, text: string, maxBytes: number): void {
  const bytes = Buffer.byteLength(text)
  if (bytes > maxBytes) throw new RangeError(`the ${what} has ${bytes} octets, ${maxBytes} are allowed`)
}
