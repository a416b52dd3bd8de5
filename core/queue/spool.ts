/**
 * The spool: bodies too large for the database, one file each, `<two characters>/<queue id>.eml`. A file is synced,
 * and the directory that names it, before the row is stored that makes it count.
 */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDurableDirectory } from './durable-directory.ts'
import { SpoolFolders } from './spool-folders.ts'
import { SpoolReceiver } from './spool-receiver.ts'

/** Folder of the spool in the store's directory. */
export const SPOOL_FOLDER = 'spool'

const SUFFIX = '.eml'

export interface Spool {
  /** Absolute. */
  readonly directory: string
  /** Takes the content of one message; it becomes a file once it has more than `inlineBytes` octets. */
  receiver(id: string, inlineBytes: number): SpoolReceiver
  /**
   * Removes files whose message is not stored: what a crash left behind. For the start, before mail is accepted.
   *
   * @param stored says which of these messages are stored
   * @returns how many were removed
   */
  sweep(stored: (ids: readonly string[]) => Promise<readonly string[]>): Promise<number>
}

/**
 * The spool in a store's directory, made when missing.
 *
 * @param storeDirectory absolute
 * @throws the error of the file system when it cannot be made
 */
export async function createSpool(storeDirectory: string): Promise<Spool> {
  const directory = join(storeDirectory, SPOOL_FOLDER)
  await makeDurableDirectory(directory)
  const folders = new SpoolFolders(directory)
  return {
    directory,
    receiver: (id, inlineBytes) => new SpoolReceiver(spoolFile(directory, id), inlineBytes, folders),
    sweep: (stored) => sweep(directory, stored),
  }
}

/** The last two characters are the ones that differ: the first tell the time. */
function spoolFile(directory: string, id: string): string {
  return join(directory, id.slice(-2), id + SUFFIX)
}

async function sweep(
  directory: string,
  stored: (ids: readonly string[]) => Promise<readonly string[]>,
): Promise<number> {
  let removed = 0
  // Whatever else lies there is somebody's, and no reason not to start.
  const folders = (await readdir(directory, { withFileTypes: true })).filter(
    (entry) => entry.isDirectory() && entry.name.length === 2,
  )
  for (const { name: folder } of folders) {
    const files = await readdir(join(directory, folder))
    const ids = files.filter((file) => file.endsWith(SUFFIX)).map((file) => file.slice(0, -SUFFIX.length))
    if (ids.length === 0) continue
    const known = new Set(await stored(ids))
    for (const id of ids) {
      if (known.has(id)) continue
      await rm(join(directory, folder, id + SUFFIX), { force: true })
      removed += 1
    }
  }
  return removed
}
