/** A program and all it starts, as one process group: signalled as a whole, and gone when its test is over. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { until } from './until.ts'

/** How a program ended, and everything it and its children wrote. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface GroupOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
}

const GONE_MS = 20_000

/** Groups of this process that nobody has ended yet. */
const running = new Set<ProcessGroup>()

function killAll(): void {
  for (const group of running) group.signal('SIGKILL')
}
process.on('exit', killAll)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    killAll()
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
  })
}

export class ProcessGroup implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #name: string
  #ended: Pick<Ended, 'code' | 'signal'> | null = null
  #failure: Error | null = null
  stdout = ''
  stderr = ''

  private constructor(child: ChildProcess, name: string) {
    this.#child = child
    this.#name = name
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    child.once('error', (error) => {
      this.#failure = error
    })
    child.once('close', (code, signal) => {
      this.#ended = { code, signal }
    })
  }

  /** Starts a program without input, as the leader of a group of its own. */
  static start(
    command: string,
    args: readonly string[],
    { env, cwd = '/' }: GroupOptions = {},
  ): ProcessGroup {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const group = new ProcessGroup(child, command)
    running.add(group)
    return group
  }

  /** Process id of the leader, which is the number of the group. */
  get pid(): number {
    const { pid } = this.#child
    if (pid === undefined) throw this.#failure ?? new Error(`${this.#name} did not start`)
    return pid
  }

  /** Null while the leader runs, or while anybody still holds its output open. */
  get ended(): Ended | null {
    if (this.#failure !== null) throw this.#failure
    return this.#ended === null ? null : { ...this.#ended, stdout: this.stdout, stderr: this.stderr }
  }

  /** To every member, as the kernel does it: in one step. */
  signal(signal: NodeJS.Signals): void {
    try {
      if (this.#child.pid !== undefined) process.kill(-this.#child.pid, signal)
    } catch (error) {
      // Nobody is left.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }

  /** To the leader alone. */
  signalLeader(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Waits until the leader has ended and its output is complete. */
  async end(withinMs = GONE_MS): Promise<Ended> {
    await until(() => this.ended !== null, `the end of ${this.#name}; it said:\n${this.stderr}`, withinMs)
    return this.ended as Ended
  }

  /** Members that run, each with its command line. */
  members(): readonly string[] {
    return membersOf(this.pid)
  }

  /** SIGKILL to all; resolves when none is left. */
  async kill(): Promise<void> {
    this.signal('SIGKILL')
    if (this.#child.pid !== undefined) {
      await until(() => this.members().length === 0, `the end of every process of ${this.#name}`, GONE_MS)
      await this.end()
    }
    running.delete(this)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}

/** Living processes of a group. Zombies are dead: they wait for whoever started them. */
function membersOf(group: number): readonly string[] {
  if (!existsSync('/proc/self/stat')) return isAnyoneThere(group) ? [`group ${group}`] : []
  const members: string[] = []
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
      const [state, , itsGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      if (Number(itsGroup) !== group || state === 'Z' || state === 'X') continue
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
      members.push(`${pid} ${command}`)
    } catch (error) {
      // It ended while it was looked at.
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'ENOENT' && code !== 'ESRCH') throw error
    }
  }
  return members
}

function isAnyoneThere(group: number): boolean {
  try {
    process.kill(-group, 0)
    return true
  } catch {
    return false
  }
}
