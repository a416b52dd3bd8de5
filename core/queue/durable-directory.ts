/** Directories that survive a power cut: a new entry is only there for good once the directory holding it was synced. */
import { mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Writes the entries of a directory to the disk. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Makes a directory, open to nobody else, and every missing one above it. Each is synced into its parent.
 *
 * @throws the error of the file system, with its `code`
 */
export async function makeDurableDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { mode: 0o700 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return
    const parent = dirname(directory)
    if (code !== 'ENOENT' || parent === directory) throw error
    await makeDurableDirectory(parent)
    await makeDurableDirectory(directory)
    return
  }
  await syncDirectory(dirname(directory))
}
