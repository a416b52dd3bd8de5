/** The place of the control socket in the file system: how long its path may be, and what may lie there already. */
import { lstat, mkdir, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import type { ListenProblem } from './http-listener.ts'

/** sun_path holds 104 octets on some systems and 108 on others, the final NUL included. */
export const MAX_SOCKET_PATH_BYTES = 103

/** Why a path cannot be a socket's; null when it can. */
export function whyNotSocketPath(path: string): string | null {
  const bytes = Buffer.byteLength(path)
  if (bytes <= MAX_SOCKET_PATH_BYTES) return null
  return `The path of the control socket is ${bytes} bytes long, the system allows ${MAX_SOCKET_PATH_BYTES}: ${path}`
}

/**
 * Makes room for a new socket: its folder is made, a socket nobody listens on any more is removed. Anything else
 * that lies there stays.
 *
 * @returns why there is no room; null when there is
 */
export async function clearSocketPath(path: string): Promise<ListenProblem | null> {
  const tooLong = whyNotSocketPath(path)
  if (tooLong !== null)
    return { problem: tooLong, remedy: 'give admin.socket a shorter path, as in /run/postern/control.sock' }
  try {
    await mkdir(dirname(path), { recursive: true })
    const inTheWay = await whatLiesAt(path)
    if (inTheWay !== null) return inTheWay
    await unlink(path)
    return null
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return code === 'ENOENT' ? null : cannotBeMade(path, message)
  }
}

export function cannotBeMade(path: string, reason: string): ListenProblem {
  return {
    problem: `The control socket cannot be made at ${path}: ${reason}`,
    remedy: 'let the user Postern runs as write to that folder, or give admin.socket another path',
  }
}

/** What must not be removed; null for a socket left over. @throws when nothing lies there */
async function whatLiesAt(path: string): Promise<ListenProblem | null> {
  if (!(await lstat(path)).isSocket())
    return {
      problem: `The control socket cannot be made at ${path}: a file that is no socket lies there`,
      remedy: 'move that file away, or give admin.socket another path',
    }
  if (!(await isListenedOn(path))) return null
  return {
    problem: `Another process answers at the control socket ${path}`,
    remedy: 'stop it with `postern stop`, or give admin.socket another path',
  }
}

async function isListenedOn(path: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
