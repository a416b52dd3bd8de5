/** The folders of the spool: made when the first file needs them, and durable before that file counts. */
import { makeDurableDirectory, syncDirectory } from './durable-directory.ts'

export class SpoolFolders {
  readonly #spool: string
  readonly #made = new Map<string, Promise<void>>()

  /** @param spool folder that holds them, absolute */
  constructor(spool: string) {
    this.#spool = spool
  }

  /**
   * Makes a folder, once in this process, and syncs the spool that names it: also when it exists, since whoever made it
   * may have died before its own sync. All who ask meanwhile wait for the same sync.
   */
  make(folder: string): Promise<void> {
    const making = this.#made.get(folder) ?? this.#make(folder)
    this.#made.set(folder, making)
    return making
  }

  /** Something went wrong with it, perhaps it was removed: the next file makes it again. */
  forget(folder: string): void {
    this.#made.delete(folder)
  }

  async #make(folder: string): Promise<void> {
    await makeDurableDirectory(folder)
    await syncDirectory(this.#spool)
  }
}
