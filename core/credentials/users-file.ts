/** The users file on disk: read whole, replaced whole, so that whoever reads meanwhile sees the old one or the new one. */
import { type FileHandle, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { prepareName } from './saslprep.ts'
import type { User } from './user.ts'
import { parseUsers, type Users, type UsersProblem, withoutUser, withUser } from './users-text.ts'

export type ReadUsers =
  | {
      readonly kind: 'users'
      readonly users: Users
      /** Everybody on this machine may read the hashes: worth a warning. */
      readonly isExposed: boolean
    }
  | { readonly kind: 'missing' }
  /** Not to be opened or read; `reason` is for a person. */
  | { readonly kind: 'unreadable'; readonly reason: string }
  | { readonly kind: 'malformed'; readonly problems: readonly UsersProblem[] }

export type UsersEdit =
  | { readonly kind: 'done' }
  /** Nothing was written: there is no user of that name, or no file. */
  | { readonly kind: 'unknown-user' }
  /** Nothing was written: the file must be mended by hand first. */
  | { readonly kind: 'malformed'; readonly problems: readonly UsersProblem[] }
  /** Nothing was written, or it may not survive a power cut; `reason` is for a person. */
  | { readonly kind: 'failed'; readonly reason: string }

const PRIVATE = 0o600
const GROUP_MAY_READ = 0o040
const OTHERS = 0o007
const PAUSE_MS = 50
const WAIT_MS = 5_000

/** Reads and checks the file. Never throws for what the disk or the file is like. */
export async function readUsers(path: string): Promise<ReadUsers> {
  try {
    const [text, { mode }] = await Promise.all([readFile(path, 'utf8'), stat(path)])
    const parsed = parseUsers(text)
    if (!parsed.ok) return { kind: 'malformed', problems: parsed.problems }
    return { kind: 'users', users: parsed.users, isExposed: (mode & OTHERS) !== 0 }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return code === 'ENOENT' ? { kind: 'missing' } : { kind: 'unreadable', reason: message }
  }
}

/**
 * Adds the user, or replaces the one of that name. A missing file is made, in a directory that exists.
 *
 * @param waitMs how long another edit is waited for
 */
export function setUser(path: string, user: User, waitMs: number = WAIT_MS): Promise<UsersEdit> {
  return edit(path, waitMs, (text) => withUser(text, user))
}

/** Removes the user of that name, however it was typed. */
export function removeUser(path: string, name: string, waitMs: number = WAIT_MS): Promise<UsersEdit> {
  const prepared = prepareName(name)
  return edit(path, waitMs, (text) => (prepared.ok ? withoutUser(text, prepared.text) : null))
}

/** Names in the order of the file. */
export function listUsers(users: Users): readonly string[] {
  return [...users.keys()]
}

/**
 * Replaces the file by what `change` makes of its text (null: nothing to change). The new file is written beside it
 * under a name that exists once, which keeps two edits apart, then synced and renamed into place.
 */
async function edit(
  path: string,
  waitMs: number,
  change: (text: string) => string | null,
): Promise<UsersEdit> {
  try {
    const target = await realPath(path)
    const temporary = join(dirname(target), `.${basename(target)}.new`)
    const handle = await openAlone(temporary, waitMs)
    if (handle === null)
      return { kind: 'failed', reason: `another edit holds ${temporary}; if none runs, delete it` }
    let isInPlace = false
    try {
      const outcome = await writeChanged(handle, target, change)
      if (outcome.kind !== 'done') return outcome
      await handle.sync()
      await rename(temporary, target)
      isInPlace = true
      await syncDirectory(dirname(target))
      return outcome
    } finally {
      await handle.close()
      if (!isInPlace) await rm(temporary, { force: true })
    }
  } catch (error) {
    return { kind: 'failed', reason: (error as Error).message }
  }
}

async function writeChanged(
  handle: FileHandle,
  target: string,
  change: (text: string) => string | null,
): Promise<UsersEdit> {
  const text = await textOf(target)
  const parsed = parseUsers(text ?? '')
  if (!parsed.ok) return { kind: 'malformed', problems: parsed.problems }
  const changed = change(text ?? '')
  if (changed === null) return { kind: 'unknown-user' }
  await handle.writeFile(changed)
  if (text !== null) await keepAccess(handle, target)
  return { kind: 'done' }
}

/** Owner and group stay, or a gateway with fewer rights than the operator could not read its users any more. */
async function keepAccess(handle: FileHandle, target: string): Promise<void> {
  const [before, now] = await Promise.all([stat(target), handle.stat()])
  if (before.uid !== now.uid || before.gid !== now.gid) await handle.chown(before.uid, before.gid)
  await handle.chmod(PRIVATE | (before.mode & GROUP_MAY_READ))
}

/** Makes the file, which must not be there; null when it is still there after `waitMs`. */
async function openAlone(path: string, waitMs: number): Promise<FileHandle | null> {
  for (let waited = 0; ; waited += PAUSE_MS) {
    try {
      return await open(path, 'wx', PRIVATE)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      if (waited >= waitMs) return null
      await pause(PAUSE_MS)
    }
  }
}

/** Where a symbolic link leads, so that the file is replaced and not the link. */
async function realPath(path: string): Promise<string> {
  return (await orMissing(realpath(path))) ?? path
}

function textOf(path: string): Promise<string | null> {
  return orMissing(readFile(path, 'utf8'))
}

async function orMissing<T>(reading: Promise<T>): Promise<T | null> {
  try {
    return await reading
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
