/** The threads that check passwords: started when needed, replaced when they die. */
import { Worker } from 'node:worker_threads'
import type { PasswordQuestion, PasswordVerdict } from './password-thread.ts'
import type { ScryptHash } from './scrypt.ts'

/** Whoever can tell whether a password has a hash. */
export interface PasswordCheck {
  /** Rejected when it could not be found out: that says nothing about the password. */
  matches(password: string, hash: ScryptHash): Promise<boolean>
  /** Ends what is under way, which is rejected. */
  close(): Promise<void>
}

interface Asked {
  readonly resolve: (matches: boolean) => void
  readonly reject: (error: Error) => void
}

interface Thread {
  readonly worker: Worker
  readonly asked: Map<number, Asked>
}

const ENTRY = new URL('./password-thread.ts', import.meta.url)

export class PasswordThreads implements PasswordCheck {
  readonly #atMost: number
  readonly #entry: URL
  readonly #threads = new Set<Thread>()
  #lastId = 0
  #isClosed = false

  /**
   * @param atMost threads; each needs the memory of one hash while it works, 32 MB as a rule
   * @param entry  source of a thread; another one is for tests
   */
  constructor(atMost: number, entry: URL = ENTRY) {
    this.#atMost = atMost
    this.#entry = entry
  }

  matches(password: string, hash: ScryptHash): Promise<boolean> {
    if (this.#isClosed) return Promise.reject(new Error('passwords are not checked any more'))
    const thread = this.#leastAsked()
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      thread.asked.set(id, { resolve, reject })
      // Only while somebody waits does a thread keep the process alive.
      thread.worker.ref()
      thread.worker.postMessage({ id, password, hash } satisfies PasswordQuestion)
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#threads].map(({ worker }) => worker.terminate()))
  }

  /** An idle thread, a new one while there may be more, else the one with the fewest questions. */
  #leastAsked(): Thread {
    const [least] = [...this.#threads].toSorted((a, b) => a.asked.size - b.asked.size)
    if (least !== undefined && (least.asked.size === 0 || this.#threads.size >= this.#atMost)) return least
    return this.#start()
  }

  #start(): Thread {
    const worker = new Worker(this.#entry, { name: 'passwords' })
    const thread: Thread = { worker, asked: new Map() }
    this.#threads.add(thread)
    worker.on('message', (verdict: PasswordVerdict) => this.#answer(thread, verdict))
    worker.once('error', (error) => this.#ended(thread, error as Error))
    worker.once('exit', () => this.#ended(thread, new Error('the thread that checks passwords ended')))
    worker.unref()
    return thread
  }

  #answer({ worker, asked }: Thread, verdict: PasswordVerdict): void {
    const one = asked.get(verdict.id)
    asked.delete(verdict.id)
    if (asked.size === 0) worker.unref()
    if ('fault' in verdict) one?.reject(new Error(verdict.fault))
    else one?.resolve(verdict.matches)
  }

  #ended(thread: Thread, error: Error): void {
    this.#threads.delete(thread)
    for (const { reject } of thread.asked.values()) reject(error)
    thread.asked.clear()
  }
}
