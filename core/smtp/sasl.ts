/** What clients send to sign in (RFC 4422): base64, and the messages of PLAIN (RFC 4616) and LOGIN. */
import { AUTH_METHODS, type AuthMethod } from '../mail/hook-events.ts'

/** What a response came to. `more`: another challenge follows. `foreign`: in somebody else's name. */
export type Taken =
  | { readonly kind: 'more' }
  | { readonly kind: 'credentials'; readonly name: string; readonly password: string }
  | { readonly kind: 'foreign' }
  | { readonly kind: 'malformed'; readonly text: string }

const LOGIN_CHALLENGES = ['Username:', 'Password:'].map((text) => Buffer.from(text).toString('base64'))
const MORE: Taken = { kind: 'more' }

/** The mechanism of this name, null when there is none. Letter case does not matter. */
export function methodNamed(name: string): AuthMethod | null {
  return AUTH_METHODS.find((method) => method === name.toUpperCase()) ?? null
}

/** One exchange of challenges and responses. It keeps what was said only until it is complete. */
export class Exchange {
  readonly method: AuthMethod
  /** Of LOGIN: the name, once it was said. */
  #name: string | null = null

  constructor(method: AuthMethod) {
    this.method = method
  }

  /** What the client is asked now, in base64. */
  get challenge(): string {
    if (this.method === 'PLAIN') return ''
    return LOGIN_CHALLENGES[this.#name === null ? 0 : 1] ?? ''
  }

  /** Takes a response. @param base64 as sent; `=` is an empty one (RFC 4954 §4) */
  take(base64: string): Taken {
    const text = decoded(base64 === '=' ? '' : base64)
    if (text === null) return malformed('The response is not base64 of UTF-8')
    if (this.method === 'PLAIN') return plain(text)
    if (text === '' || text.includes('\0')) return malformed('Name and password cannot be empty')
    if (this.#name !== null) return { kind: 'credentials', name: this.#name, password: text }
    this.#name = text
    return MORE
  }
}

/** RFC 4616 §2: `[authzid] NUL authcid NUL passwd`. Nobody may act for somebody else. */
function plain(message: string): Taken {
  const [authorization, name, password, ...rest] = message.split('\0')
  if (!name || !password || rest.length > 0) return malformed('The response is no PLAIN message')
  if (authorization !== '' && authorization !== name) return { kind: 'foreign' }
  return { kind: 'credentials', name, password }
}

/** Strict in both steps: what decodes in two ways here and elsewhere would be two passwords. */
function decoded(base64: string): string | null {
  const bytes = Buffer.from(base64, 'base64')
  if (bytes.toString('base64') !== base64) return null
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}

function malformed(text: string): Taken {
  return { kind: 'malformed', text }
}
