/** The command as its users run it: a process of its own, through bin/postern.cjs. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'

export const ROOT = join(import.meta.dirname, '..', '..', '..')
export const LAUNCHER = join(ROOT, 'bin', 'postern.cjs')

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface ChildOptions {
  /** The Node to begin with, the one of this test unless told otherwise. */
  readonly node?: string
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** File run in the place of bin/postern.cjs. */
  readonly file?: string
}

/** Runs `postern ARGS` to its end. */
export async function postern(args: readonly string[], options: ChildOptions = {}): Promise<Ended> {
  const child = startPostern(args, options)
  return await ended(child)
}

export function startPostern(
  args: readonly string[],
  { node = process.execPath, env = {}, cwd = ROOT, file = LAUNCHER }: ChildOptions = {},
): ChildProcess {
  return spawn(node, [file, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** What a process said until it ended. */
export async function ended(child: ChildProcess): Promise<Ended> {
  let stdout = ''
  let stderr = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  return await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
}
