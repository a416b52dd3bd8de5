/** The tallies a worker shares with the others, kept by the keeper. */
import type { Tallies, TallyKey } from '../state/tallies.ts'
import type { KeeperClient } from './keeper-client.ts'
import type { SharedCall } from './keeper-protocol.ts'

export class KeeperTallies implements Tallies {
  readonly #client: KeeperClient

  constructor(client: KeeperClient) {
    this.#client = client
  }

  async add(keys: readonly TallyKey[]): Promise<readonly number[]> {
    return (await this.#call({ name: 'add-tallies', arguments: { keys } })) as readonly number[]
  }

  async counts(keys: readonly TallyKey[]): Promise<readonly number[]> {
    return (await this.#call({ name: 'tallies', arguments: { keys } })) as readonly number[]
  }

  async clear(keys: readonly TallyKey[]): Promise<void> {
    await this.#call({ name: 'clear-tallies', arguments: { keys } })
  }

  async #call(call: SharedCall): Promise<unknown> {
    const { value } = await this.#client.call({ store: 'shared', call })
    return value
  }
}
