/** A user as the users file knows one: a name, and what a password is checked against. Never the password. */
import { randomBytes } from 'node:crypto'
import { prepareName, preparePassword } from './saslprep.ts'
import { SCRAM_ITERATIONS, type ScramVerifier, scramVerifier } from './scram.ts'
import { hashPassword, SALT_OCTETS, SCRYPT_WORK, type ScryptHash, type ScryptWork } from './scrypt.ts'

export interface User {
  /** Prepared, see saslprep.ts. */
  readonly name: string
  readonly scrypt: ScryptHash
  /** null: this user cannot use SCRAM. */
  readonly scram: ScramVerifier | null
}

/** How much work goes into a new user's hashes; less of it is for tests. */
export interface HashingWork {
  readonly scrypt: ScryptWork
  readonly scramIterations: number
}

const HASHING_WORK: HashingWork = Object.freeze({ scrypt: SCRYPT_WORK, scramIterations: SCRAM_ITERATIONS })

export type NewUser =
  | { readonly ok: true; readonly user: User }
  /** What is wrong with the name or the password, for a person to read. */
  | { readonly ok: false; readonly reason: string }

/** Makes a user with fresh salts. Holds the thread for about half a second: for commands, not for the mail path. */
export function newUser(name: string, password: string, work: HashingWork = HASHING_WORK): NewUser {
  const preparedName = prepareName(name)
  if (!preparedName.ok) return preparedName
  const preparedPassword = preparePassword(password)
  if (!preparedPassword.ok) return preparedPassword
  const secret = preparedPassword.text
  const scrypt = hashPassword(secret, randomBytes(SALT_OCTETS), work.scrypt)
  const scram = scramVerifier(secret, randomBytes(SALT_OCTETS), work.scramIterations)
  return { ok: true, user: { name: preparedName.text, scrypt, scram } }
}
