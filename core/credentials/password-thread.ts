/** A thread that checks passwords, one at a time: work that would hold the event loop, or the pool files share. */
import { parentPort } from 'node:worker_threads'
import { matchesHash, type ScryptHash } from './scrypt.ts'

export interface PasswordQuestion {
  readonly id: number
  /** Prepared, see saslprep.ts. */
  readonly password: string
  readonly hash: ScryptHash
}

export type PasswordVerdict =
  | { readonly id: number; readonly matches: boolean }
  | { readonly id: number; readonly fault: string }

parentPort?.on('message', (question: PasswordQuestion) => parentPort?.postMessage(verdict(question)))

function verdict({ id, password, hash }: PasswordQuestion): PasswordVerdict {
  try {
    return { id, matches: matchesHash(password, hash) }
  } catch (error) {
    return { id, fault: (error as Error).message }
  }
}
