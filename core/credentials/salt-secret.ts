/**
 * What salts are made of for names nobody has. It stays the same over restarts and for all workers: a salt that changes
 * when the salts of users do not would say whose name is none.
 */
import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

const SECRET_OCTETS = 32
const PRIVATE = 0o600

/**
 * Reads the secret, or makes it. Of several that make it at once the first has made it.
 *
 * @throws an error of the file system, or one that says what is wrong with the file
 */
export async function saltSecret(path: string): Promise<Buffer> {
  return (await readSecret(path)) ?? (await makeSecret(path))
}

async function readSecret(path: string): Promise<Buffer | null> {
  let secret: Buffer
  try {
    secret = await readFile(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  if (secret.length !== SECRET_OCTETS) throw new Error(`${path} has not ${SECRET_OCTETS} octets; delete it`)
  return secret
}

/** Whole under another name first: nobody reads half of it. */
async function makeSecret(path: string): Promise<Buffer> {
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
  await mkdir(dirname(path), { recursive: true })
  const handle = await open(temporary, 'wx', PRIVATE)
  try {
    await handle.writeFile(randomBytes(SECRET_OCTETS))
    await handle.sync()
    await link(temporary, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await handle.close()
    await rm(temporary, { force: true })
  }
  const secret = await readSecret(path)
  if (secret === null) throw new Error(`${path} is gone again`)
  return secret
}
