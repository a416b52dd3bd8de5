/**
 * The message pool: threads that look into messages, so that no message holds the event loop. They are started when
 * needed, work on one message at a time, and are ended when one takes too long.
 */
import { Worker } from 'node:worker_threads'
import type { Content } from '../mail/message.ts'
import type { Log } from '../observe/log.ts'
import type { MessageQuestion, ThreadAnswer, ThreadRequest } from './message-thread.ts'

/** Why there is no answer. None of them says anything about the message. */
export type ContentFaultKind = 'late' | 'busy' | 'unreadable' | 'thread-died' | 'closed'

export class ContentFault extends Error {
  readonly kind: ContentFaultKind

  constructor(kind: ContentFaultKind, message: string) {
    super(message)
    this.kind = kind
  }
}

/** Whoever can look into messages. */
export interface MessageContents {
  /**
   * The answer as JSON. A message stays as it is, so what was found out once is not looked up again.
   *
   * @throws ContentFault
   */
  ask(content: Content, question: MessageQuestion): Promise<string>
}

export interface MessagePoolOptions {
  /** For what is not answered. */
  readonly log: Log
  /** Threads; 2 by default. */
  readonly atMost?: number
  /** From the question to the answer, waiting included; 5000 by default, 20 000 at most. */
  readonly deadlineMs?: number
  /** Questions that wait; 64 by default. */
  readonly waiting?: number
  /** Source of a thread; another one is for tests. */
  readonly entry?: URL
}

interface Asked {
  readonly content: Content
  readonly question: MessageQuestion
  readonly resolve: (json: string) => void
  readonly reject: (fault: ContentFault) => void
  readonly timer: NodeJS.Timeout
}

interface Thread {
  readonly worker: Worker
  asked: Asked | null
  /** Of the question at work: an answer to another one is none. */
  id: number
}

const ENTRY = new URL('./message-thread.ts', import.meta.url)
const MAX_DEADLINE_MS = 20_000
const HEAP_MB = 256

export class MessagePool implements MessageContents {
  readonly #log: Log
  readonly #atMost: number
  readonly #deadlineMs: number
  readonly #mostWaiting: number
  readonly #entry: URL
  readonly #threads = new Set<Thread>()
  readonly #waiting: Asked[] = []
  readonly #answers = new WeakMap<Content, Map<MessageQuestion['kind'], Promise<string>>>()
  readonly #ends = new Set<Promise<unknown>>()
  readonly #counters: Record<'answered' | ContentFaultKind, number> = {
    answered: 0,
    late: 0,
    busy: 0,
    unreadable: 0,
    'thread-died': 0,
    closed: 0,
  }
  #lastId = 0
  #isClosed = false

  constructor({ log, atMost = 2, deadlineMs = 5000, waiting = 64, entry = ENTRY }: MessagePoolOptions) {
    this.#log = log
    this.#atMost = atMost
    this.#deadlineMs = Math.min(deadlineMs, MAX_DEADLINE_MS)
    this.#mostWaiting = waiting
    this.#entry = entry
  }

  /** Questions so far, by what came of them. */
  get counters(): Readonly<Record<'answered' | ContentFaultKind, number>> {
    return this.#counters
  }

  /** Threads there are now. */
  get threads(): number {
    return this.#threads.size
  }

  ask(content: Content, question: MessageQuestion): Promise<string> {
    if (question.kind === 'search') return this.#ask(content, question)
    const known = this.#answers.get(content) ?? new Map<MessageQuestion['kind'], Promise<string>>()
    this.#answers.set(content, known)
    const before = known.get(question.kind)
    if (before !== undefined) return before
    const answer = this.#ask(content, question)
    known.set(question.kind, answer)
    answer.catch(() => known.delete(question.kind))
    return answer
  }

  /** Ends every thread; what is not answered is rejected. */
  async close(): Promise<void> {
    this.#isClosed = true
    const closed = new ContentFault('closed', 'messages are not looked into any more')
    for (const asked of this.#waiting.splice(0)) this.#reject(asked, closed)
    for (const thread of this.#threads) this.#end(thread, closed)
    await Promise.all(this.#ends)
  }

  #ask(content: Content, question: MessageQuestion): Promise<string> {
    if (this.#isClosed) return this.#refused('closed', 'messages are not looked into any more')
    if (this.#waiting.length >= this.#mostWaiting) {
      this.#log.warn('message-content-busy', { question: question.kind, waiting: this.#waiting.length })
      return this.#refused('busy', `${this.#waiting.length} questions about messages wait already`)
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#late(asked), this.#deadlineMs)
      const asked: Asked = { content, question, resolve, reject, timer }
      this.#waiting.push(asked)
      this.#next()
    })
  }

  #refused(kind: ContentFaultKind, message: string): Promise<never> {
    this.#counters[kind]++
    return Promise.reject(new ContentFault(kind, message))
  }

  /** Gives work to a thread that has none, a new one while there may be more. */
  #next(): void {
    while (this.#waiting.length > 0) {
      const idle = [...this.#threads].find((thread) => thread.asked === null)
      if (idle === undefined && this.#threads.size >= this.#atMost) return
      const asked = this.#waiting.shift() as Asked
      const thread = idle ?? this.#start()
      if (thread === null) {
        this.#reject(asked, new ContentFault('thread-died', 'no thread could be started'))
        continue
      }
      thread.asked = asked
      thread.id = ++this.#lastId
      thread.worker.ref()
      const content = ownCopy(asked.content)
      const request: ThreadRequest = { id: thread.id, question: asked.question, content }
      thread.worker.postMessage(
        request,
        content.kind === 'inline' ? [content.bytes.buffer as ArrayBuffer] : [],
      )
    }
  }

  /** null: the system gives no thread. */
  #start(): Thread | null {
    let worker: Worker
    try {
      const resourceLimits = { maxOldGenerationSizeMb: HEAP_MB }
      worker = new Worker(this.#entry, { name: 'messages', resourceLimits })
    } catch (error) {
      this.#log.error('message-thread-died', { reason: (error as Error).message })
      return null
    }
    const thread: Thread = { worker, asked: null, id: 0 }
    this.#threads.add(thread)
    worker.on('message', (answer: ThreadAnswer) => this.#answered(thread, answer))
    worker.once('error', (error) => this.#died(thread, String((error as Error).message)))
    worker.once('exit', (code) => this.#died(thread, `it ended with ${code}`))
    worker.unref()
    return thread
  }

  #answered(thread: Thread, answer: ThreadAnswer): void {
    const { asked } = thread
    if (asked === null || answer.id !== thread.id) return
    thread.asked = null
    thread.worker.unref()
    if ('json' in answer) {
      clearTimeout(asked.timer)
      this.#counters.answered++
      asked.resolve(answer.json)
    } else {
      this.#log.error('message-content-failed', { question: asked.question.kind, reason: answer.fault })
      this.#reject(asked, new ContentFault('unreadable', 'the message could not be looked into'))
    }
    this.#next()
  }

  #late(asked: Asked): void {
    const fault = new ContentFault('late', `no answer about the message within ${this.#deadlineMs} ms`)
    this.#log.warn('message-content-late', { question: asked.question.kind, afterMs: this.#deadlineMs })
    // Whoever waits is younger than what is at work, so it has a thread by the time its own time is over.
    for (const thread of this.#threads) if (thread.asked === asked) this.#end(thread, fault)
    this.#next()
  }

  #died(thread: Thread, reason: string): void {
    if (!this.#threads.has(thread)) return
    this.#log.error('message-thread-died', { question: thread.asked?.question.kind, reason })
    this.#end(thread, new ContentFault('thread-died', 'the thread that looked into the message died'))
    this.#next()
  }

  #end(thread: Thread, fault: ContentFault): void {
    this.#threads.delete(thread)
    const ending = thread.worker.terminate().finally(() => this.#ends.delete(ending))
    this.#ends.add(ending)
    if (thread.asked !== null) this.#reject(thread.asked, fault)
    thread.asked = null
  }

  #reject({ timer, reject }: Asked, fault: ContentFault): void {
    clearTimeout(timer)
    this.#counters[fault.kind]++
    reject(fault)
  }
}

/** What is sent to a thread is taken away from here, or sent with the whole buffer it lies in. */
function ownCopy(content: Content): Content {
  return content.kind === 'inline' ? { kind: 'inline', bytes: new Uint8Array(content.bytes) } : content
}
