/** One plughost process: started, spoken to in batches of frames, watched, and killed when it must be. */
import type { ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import type { Fault } from '../core/mail/answer.ts'
import { type Blame, Breadcrumb } from './breadcrumb.ts'
import { type PlughostProgram, startPlughost } from './plughost-process.ts'
import { ProcessWatch, type WatchLimits } from './process-watch.ts'
import { type Frame, FrameBatch, FrameReader } from './protocol/frames.ts'
import { TO_HOST } from './protocol/messages.ts'
import { type HostMessage, ProtocolViolation, parseHostFrame } from './protocol/parse.ts'

/** Why a plughost is gone. */
export interface Death {
  /** `killed` for a reason of ours; `died` by itself or by somebody else's hand. */
  readonly cause: 'timeout' | 'memory' | 'protocol' | 'reload' | 'died'
  readonly detail: string
  readonly blame: Blame
  /** End of what it wrote to stderr. */
  readonly stderr: string
}

/** Whose a plughost is: limits, and who hears of it. */
export interface PlughostOwner extends WatchLimits {
  onMessage(message: HostMessage): void
  /** Called once. */
  onDeath(death: Death): void
}

/** Plughosts without the JIT compiler that are started and nobody's. */
export interface IdlePlughosts {
  /** Whether there is one that takes frames already. */
  readonly isReady: boolean
  /** One of them for a new owner; it may still be starting. null: there is none. */
  take(owner: PlughostOwner): Plughost | null
  /** Offers one that its owner needs no more and nobody waits for. @returns whether it is kept */
  giveBack(host: Plughost): boolean
}

/** More than any plughost has to say in one second. */
const MAX_FRAMES_PER_SECOND = 100_000
const STDERR_CHARS = 4000

/** @throws when there is no process behind it */
function wireOf(child: ChildProcess): Socket {
  const wire: unknown = child.stdio?.[3]
  if (wire !== undefined && wire !== null) return wire as Socket
  // Without files to open its streams were never made; its error is still to come, and nobody else hears it.
  child.on('error', () => {})
  throw new Error('the system gave no process')
}

export class Plughost {
  readonly pid: number
  readonly #child: ChildProcess
  readonly #wire: Socket
  #owner: PlughostOwner
  #isReady = false
  readonly #breadcrumb = new Breadcrumb()
  readonly #reader = new FrameReader()
  readonly #batch = new FrameBatch()
  readonly #watch: ProcessWatch
  #flushing = false
  /** It was given frames and has not said yet that all of them are dealt with. */
  #owes = false
  /** Frames handed over to be sent, and how many of them were. */
  #given = 0
  #sent = 0
  #frames = 0
  #framesSince = 0
  #killedFor: { readonly cause: Death['cause']; readonly detail: string } | null = null
  #stderr = ''
  #dead = false

  /** @throws when no process can be made */
  constructor(program: PlughostProgram, owner: PlughostOwner) {
    this.#owner = owner
    try {
      this.#child = startPlughost(program, this.#breadcrumb.fileDescriptor)
      this.#wire = wireOf(this.#child)
    } catch (error) {
      this.#breadcrumb.close()
      throw error
    }
    this.pid = this.#child.pid ?? 0
    // Asked each time: it may be somebody else's by then.
    const limits = { rssCapBytes: () => this.#owner.rssCapBytes(), silenceMs: () => this.#owner.silenceMs() }
    this.#watch = new ProcessWatch(this.pid, limits, (cause, detail) => this.kill(cause, detail))
    this.#listen()
  }

  /** It has said that it takes frames; what is sent before waits for that. */
  get isReady(): boolean {
    return this.#isReady
  }

  /** Whether something it was sent is not dealt with yet. */
  get isBusy(): boolean {
    return this.#watch.isOwed
  }

  /** From now on it is somebody else's. */
  passTo(owner: PlughostOwner): void {
    this.#owner = owner
  }

  /** Whether this process goes on for as long as the plughost does; it does unless told otherwise. */
  keepsProcess(does: boolean): void {
    for (const one of [this.#child, this.#wire, this.#child.stderr as Socket | null]) {
      if (does) one?.ref()
      else one?.unref()
    }
  }

  /**
   * Queues a frame. It leaves with the others of this turn of the loop, or, while the plughost works on earlier ones,
   * when it is done with those: it could not look at this one before, and one write for many costs both sides less.
   * Plugins are loaded at once: one that stands ready may be at work ahead, and stops that for them.
   */
  send(type: number, id: number, payload: string): void {
    if (this.#dead) return
    this.#batch.add(type, id, payload)
    this.#given = (this.#given + 1) >>> 0
    this.#flushSoon(type === TO_HOST.load)
  }

  #flushSoon(isUrgent = false): void {
    if (this.#flushing || (this.#owes && !isUrgent) || this.#given === this.#sent) return
    this.#flushing = true
    setImmediate(() => {
      this.#flushing = false
      if (this.#dead) return
      this.#owes = true
      this.#sent = this.#given
      this.#watch.owes()
      this.#wire.write(this.#batch.take())
    })
  }

  kill(cause: Death['cause'], detail: string): void {
    if (this.#dead || this.#killedFor !== null) return
    this.#killedFor = { cause, detail }
    this.#child.kill('SIGKILL')
  }

  /** Ends it without blame: nobody is told. */
  close(): void {
    if (this.#dead) return
    this.#end()
    this.#child.kill('SIGKILL')
  }

  #listen(): void {
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_CHARS)
    })
    this.#wire.on('data', (chunk: Buffer) => this.#receive(chunk))
    // A write to a process that just died; its exit tells the rest.
    this.#wire.on('error', () => {})
    this.#child.on('error', (error) => this.#died(error.message))
    this.#child.on('exit', (code, signal) => this.#died(signal ?? `exit code ${code}`))
  }

  #receive(chunk: Buffer): void {
    // What comes after the verdict is not read.
    if (this.#dead || this.#killedFor !== null) return
    this.#watch.heard()
    try {
      for (const frame of this.#counted(this.#reader.push(chunk))) {
        if (this.#killedFor !== null) return
        const message = parseHostFrame(frame)
        if (message.type === 'progress') {
          if (message.dealtWith === this.#sent) this.#dealtWithAll()
          continue
        }
        if (message.type === 'ready') this.#isReady = true
        this.#owner.onMessage(message)
      }
    } catch (error) {
      this.kill('protocol', (error as Error).message)
    }
  }

  #dealtWithAll(): void {
    this.#owes = false
    this.#watch.owesNothing()
    this.#flushSoon()
  }

  /** @throws ProtocolViolation when there are too many */
  #counted(frames: readonly Frame[]): readonly Frame[] {
    const now = performance.now()
    if (now - this.#framesSince > 1_000) {
      this.#framesSince = now
      this.#frames = 0
    }
    this.#frames += frames.length
    if (this.#frames > MAX_FRAMES_PER_SECOND) throw new ProtocolViolation('a flood of frames')
    return frames
  }

  #died(detail: string): void {
    if (this.#dead) return
    const blame = this.#breadcrumb.read()
    this.#end()
    const why = this.#killedFor ?? { cause: 'died' as const, detail }
    this.#owner.onDeath({ ...why, blame, stderr: this.#stderr })
  }

  #end(): void {
    this.#dead = true
    this.#watch.stop()
    this.#breadcrumb.close()
    this.#wire.destroy()
  }
}

/** What a plugin that was being asked died of. */
export function deathFault({ cause, detail }: Death): Fault {
  const kind = cause === 'timeout' || cause === 'memory' ? cause : 'death'
  return { kind, message: cause === 'died' ? `its process died (${detail})` : detail, stack: '' }
}
