/**
 * The text of a users file: UTF-8, one user a line,
 *
 *     name:{scrypt}N$r$p$salt$hash{SCRAM-SHA-256}iterations$salt$storedKey$serverKey
 *
 * all on one line, numbers in decimal, the rest base64 with padding (RFC 4648 §4). The second half may be missing. A
 * name is SASLprep'd and has no space, no colon, and no `#` in front. Empty lines and lines beginning with `#` mean
 * nothing; a `#` behind a user is no comment.
 */
import { prepareName } from './saslprep.ts'
import { MAX_ITERATIONS, MIN_ITERATIONS, SCRAM_KEY_OCTETS, type ScramVerifier } from './scram.ts'
import { type ScryptHash, whyNotWork } from './scrypt.ts'
import type { User } from './user.ts'

export type Users = ReadonlyMap<string, User>

/** What is wrong, and where. Nothing of a hash is ever repeated. */
export interface UsersProblem {
  /** From 1. */
  readonly line: number
  readonly text: string
}

/** All of the file or nothing: half a file would lock out half of the users without saying so. */
export type ParsedUsers =
  | { readonly ok: true; readonly users: Users }
  | { readonly ok: false; readonly problems: readonly UsersProblem[] }

const SCRYPT = 'scrypt'
const SCRAM = 'SCRAM-SHA-256'
const MAX_PROBLEMS = 20
const MIN_SALT_OCTETS = 8
const MAX_SALT_OCTETS = 64
const MIN_HASH_OCTETS = 16
const MAX_HASH_OCTETS = 64

/** Reads the whole text. At most 20 problems are told. */
export function parseUsers(text: string): ParsedUsers {
  const users = new Map<string, User>()
  const lineOf = new Map<string, number>()
  const problems: UsersProblem[] = []
  for (const [index, content] of linesOf(text).entries()) {
    if (problems.length >= MAX_PROBLEMS) break
    const line = index + 1
    if (isRemark(content)) continue
    const user = parseUser(content)
    if (typeof user === 'string') problems.push({ line, text: user })
    else if (users.has(user.name))
      problems.push({ line, text: `${user.name} is there already, in line ${lineOf.get(user.name)}` })
    else {
      users.set(user.name, user)
      lineOf.set(user.name, line)
    }
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, users }
}

/** The line of a user, without its line end. */
export function formatUser({ name, scrypt, scram }: User): string {
  const { cost, blockSize, parallelization, salt, hash } = scrypt
  const first = `${name}:{${SCRYPT}}${cost}$${blockSize}$${parallelization}$${salt}$${hash}`
  if (scram === null) return first
  return `${first}{${SCRAM}}${scram.iterations}$${scram.salt}$${scram.storedKey}$${scram.serverKey}`
}

/** The text with this user in it: in place of the line of that name, else at the end. Everything else is kept. */
export function withUser(text: string, user: User): string {
  const lines = linesOf(text)
  const index = lines.findIndex((line) => isLineOf(line, user.name))
  if (index < 0) lines.push(formatUser(user))
  else lines[index] = formatUser(user)
  return joined(lines)
}

/** The text without this user; null when there is none of that name. */
export function withoutUser(text: string, name: string): string | null {
  const lines = linesOf(text)
  const kept = lines.filter((line) => !isLineOf(line, name))
  return kept.length === lines.length ? null : joined(kept)
}

/** Without line ends; CRLF and a byte order mark are what some editors leave. */
function linesOf(text: string): string[] {
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/)
  if (lines.at(-1) === '') lines.pop()
  return lines
}

function joined(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('')
}

function isRemark(line: string): boolean {
  return /^\s*(?:#|$)/.test(line)
}

function isLineOf(line: string, name: string): boolean {
  return !isRemark(line) && line.trim().startsWith(`${name}:`)
}

/** A string is the reason why the line is none. */
function parseUser(line: string): User | string {
  const content = line.trim()
  const colon = content.indexOf(':')
  if (colon < 0) return 'a user has the form name:{scrypt}…, there is no colon'
  const name = prepareName(content.slice(0, colon))
  if (!name.ok) return name.reason
  if (name.text !== content.slice(0, colon))
    return `the name is not in its normal form, write it as ${name.text}`
  const schemes = parseSchemes(content.slice(colon + 1))
  if (typeof schemes === 'string') return schemes
  const scryptText = schemes.get(SCRYPT)
  if (scryptText === undefined) return `{${SCRYPT}} is missing: only hashes made by "user set" are accepted`
  const scrypt = parseScrypt(scryptText)
  if (typeof scrypt === 'string') return `{${SCRYPT}}: ${scrypt}`
  const scramText = schemes.get(SCRAM)
  const scram = scramText === undefined ? null : parseScram(scramText)
  return typeof scram === 'string' ? `{${SCRAM}}: ${scram}` : { name: name.text, scrypt, scram }
}

function parseSchemes(text: string): ReadonlyMap<string, string> | string {
  if (!/^(?:\{[^{}]*\}[^{}]*)+$/.test(text)) return `what follows the name must begin with {${SCRYPT}}`
  const schemes = new Map<string, string>()
  for (const [, scheme = '', value = ''] of text.matchAll(/\{([^{}]*)\}([^{}]*)/g)) {
    // Not repeated: behind a mistyped brace it may be anything, a password too.
    if (scheme !== SCRYPT && scheme !== SCRAM) return `only {${SCRYPT}} and {${SCRAM}} are known`
    if (schemes.has(scheme)) return `{${scheme}} is there twice`
    schemes.set(scheme, value)
  }
  return schemes
}

function parseScrypt(text: string): ScryptHash | string {
  const parts = text.split('$')
  const [cost = '', blockSize = '', parallelization = '', salt = '', hash = ''] = parts
  if (parts.length !== 5) return `expected N$r$p$salt$hash, found ${parts.length} parts`
  const work = { cost: number(cost), blockSize: number(blockSize), parallelization: number(parallelization) }
  return (
    whyNotWork(work) ??
    whyNotBase64('the salt', salt, MIN_SALT_OCTETS, MAX_SALT_OCTETS) ??
    whyNotBase64('the hash', hash, MIN_HASH_OCTETS, MAX_HASH_OCTETS) ?? { ...work, salt, hash }
  )
}

function parseScram(text: string): ScramVerifier | string {
  const parts = text.split('$')
  const [rounds = '', salt = '', storedKey = '', serverKey = ''] = parts
  if (parts.length !== 4) return `expected iterations$salt$storedKey$serverKey, found ${parts.length} parts`
  const iterations = number(rounds)
  if (!(iterations >= MIN_ITERATIONS && iterations <= MAX_ITERATIONS))
    return `iterations are between ${MIN_ITERATIONS} and ${MAX_ITERATIONS}`
  return (
    whyNotBase64('the salt', salt, MIN_SALT_OCTETS, MAX_SALT_OCTETS) ??
    whyNotBase64('storedKey', storedKey, SCRAM_KEY_OCTETS, SCRAM_KEY_OCTETS) ??
    whyNotBase64('serverKey', serverKey, SCRAM_KEY_OCTETS, SCRAM_KEY_OCTETS) ?? {
      iterations,
      salt,
      storedKey,
      serverKey,
    }
  )
}

/** NaN for anything but plain digits. */
function number(text: string): number {
  return /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
}

function whyNotBase64(what: string, text: string, min: number, max: number): string | null {
  const bytes = Buffer.from(text, 'base64')
  // Node decodes anything; what is encoded back the same was base64 with padding.
  if (bytes.toString('base64') !== text) return `${what} is not base64`
  if (bytes.length >= min && bytes.length <= max) return null
  const expected = min === max ? `${min}` : `${min} to ${max}`
  return `${what} has ${bytes.length} octets, expected ${expected}`
}
