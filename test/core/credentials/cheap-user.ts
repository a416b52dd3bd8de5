/** Users whose hashes cost next to nothing. */
import assert from 'node:assert/strict'
import { MIN_ITERATIONS } from '../../../core/credentials/scram.ts'
import { newUser, type User } from '../../../core/credentials/user.ts'

const CHEAP = {
  scrypt: { cost: 1024, blockSize: 1, parallelization: 1 },
  scramIterations: MIN_ITERATIONS,
} as const

export function cheapUser(name: string, password: string): User {
  const made = newUser(name, password, CHEAP)
  assert.ok(made.ok)
  return made.user
}
