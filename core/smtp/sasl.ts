/** What clients send to sign in (RFC 4422): base64, and the messages of PLAIN (RFC 4616) and LOGIN. */
import { AUTH_METHODS, type AuthMethod } from '../mail/hook-events.ts'
import type { ReplyStep } from './dialogue-port.ts'
import type { ScramFinished } from './ports.ts'

/** What a response came to. */
export type Taken =
  /** Another challenge follows, in base64. */
  | { readonly kind: 'challenge'; readonly challenge: string }
  | { readonly kind: 'password'; readonly name: string; readonly password: string }
  /** A bearer token; the name is '' when the client leaves it to that. */
  | { readonly kind: 'token'; readonly name: string; readonly token: string }
  | { readonly kind: 'proof'; readonly name: string; readonly finished: ScramFinished }
  /** Everything was decided before; this is to be said. */
  | { readonly kind: 'decided'; readonly say: () => ReplyStep }
  /** In somebody else's name. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'malformed'; readonly text: string }
  /** Trouble of ours; `reason` is for the log. */
  | { readonly kind: 'unavailable'; readonly reason: string }

/** One exchange of challenges and responses. It keeps what was said only until it is complete. */
export interface Exchange {
  readonly method: AuthMethod
  /** What a client is asked that sent no response with its command, in base64. */
  readonly challenge: string
  /** Takes a response. @param base64 as sent; `=` is an empty one (RFC 4954 §4) */
  take(base64: string): Taken | Promise<Taken>
}

const LOGIN_CHALLENGES = { name: base64Of('Username:'), password: base64Of('Password:') } as const

/** The mechanism of this name, null when there is none. Letter case does not matter. */
export function methodNamed(name: string): AuthMethod | null {
  return AUTH_METHODS.find((method) => method === name.toUpperCase()) ?? null
}

/** RFC 4616 §2: `[authzid] NUL authcid NUL passwd`. Nobody may act for somebody else. */
export class PlainExchange implements Exchange {
  readonly method = 'PLAIN'
  readonly challenge = ''

  take(base64: string): Taken {
    const message = decoded(base64)
    if (message === null) return NOT_BASE64
    const [authorization, name, password, ...rest] = message.split('\0')
    if (!name || !password || rest.length > 0) return malformed('The response is no PLAIN message')
    if (authorization !== '' && authorization !== name) return { kind: 'foreign' }
    return { kind: 'password', name, password }
  }
}

export class LoginExchange implements Exchange {
  readonly method = 'LOGIN'
  readonly challenge = LOGIN_CHALLENGES.name
  #name: string | null = null

  take(base64: string): Taken {
    const text = decoded(base64)
    if (text === null) return NOT_BASE64
    if (text === '' || text.includes('\0')) return malformed('Name and password cannot be empty')
    if (this.#name !== null) return { kind: 'password', name: this.#name, password: text }
    this.#name = text
    return { kind: 'challenge', challenge: LOGIN_CHALLENGES.password }
  }
}

/** The client has only to say that it has heard: SMTP has no success, and no failure, that carries data (RFC 4954 §4). */
export class Acknowledgement implements Exchange {
  readonly method: AuthMethod
  readonly challenge: string
  readonly #isOne: (base64: string) => boolean
  readonly #say: () => ReplyStep

  /** @param isOne whether this response says so and nothing else */
  constructor(method: AuthMethod, message: string, isOne: (base64: string) => boolean, say: () => ReplyStep) {
    this.method = method
    this.challenge = base64Of(message)
    this.#isOne = isOne
    this.#say = say
  }

  take(base64: string): Taken {
    return this.#isOne(base64) ? { kind: 'decided', say: this.#say } : malformed('The response must be empty')
  }
}

/** Strict in both steps: what decodes in two ways here and elsewhere would be two passwords. */
export function decoded(base64: string): string | null {
  const text = base64 === '=' ? '' : base64
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text) return null
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}

export function base64Of(text: string): string {
  return Buffer.from(text).toString('base64')
}

export function malformed(text: string): Taken {
  return { kind: 'malformed', text }
}

export const NOT_BASE64 = malformed('The response is not base64 of UTF-8')
