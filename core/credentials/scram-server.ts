/**
 * Sign-in by SCRAM against the users file. A name nobody has gets a salt all the same, always the same one, and fails at
 * the end as a wrong password does: names are not found out by asking (RFC 5802 §9).
 */
import { createHmac, randomBytes } from 'node:crypto'
import { prepareName } from './saslprep.ts'
import { SCRAM_ITERATIONS, SCRAM_KEY_OCTETS, type ScramVerifier } from './scram.ts'
import { ScramExchange } from './scram-exchange.ts'
import { type ClientFirst, parseClientFinal, parseClientFirst } from './scram-messages.ts'
import { SALT_OCTETS } from './scrypt.ts'
import type { Users } from './users-text.ts'
import type { Verification, Verifier } from './verifier.ts'

/** The only type of channel binding there is here (RFC 9266). */
export const BINDING_TYPE = 'tls-exporter'
const NONCE_OCTETS = 18

/** The connection below, and which of the two mechanisms was asked for. */
export interface ScramChannel {
  /** SCRAM-SHA-256-PLUS: bound to the channel. */
  readonly isBound: boolean
  /** What identifies the TLS connection (RFC 9266); null where nothing does, so that -PLUS was not offered. */
  readonly binding: Buffer | null
}

export type ScramBegun =
  | {
      readonly kind: 'begun'
      /** As claimed by the client. */
      readonly name: string
      readonly serverFirst: string
      /** A string is the reason why it is no final message. */
      readonly finish: (clientFinal: string) => ScramFinished | string
    }
  | { readonly kind: 'malformed'; readonly text: string }
  /** In somebody else's name. */
  | { readonly kind: 'foreign' }
  /** Nothing is known of anybody; `reason` is for the log. */
  | { readonly kind: 'unavailable'; readonly reason: string }

export interface ScramFinished {
  /** Only for a client that is `verified`. */
  readonly serverFinal: string
  /** What the proof is worth. Takes as long as earlier failures cost. */
  readonly verify: (network: string, signal: AbortSignal) => Promise<Verification>
}

export interface ScramServerOptions {
  readonly users: () => Users | string
  readonly verifier: Pick<Verifier, 'verifyProof'>
  /** The same for the life of the users file, and for all workers: what the salts of nobody are made of. */
  readonly secret: Uint8Array
  /** Another one is for tests. */
  readonly nonce?: () => string
}

export class ScramServer {
  readonly #options: ScramServerOptions

  constructor(options: ScramServerOptions) {
    this.#options = options
  }

  /** Whether to offer it: not when there are users, and none whose entry has keys. */
  get isPossible(): boolean {
    const users = this.#options.users()
    return typeof users === 'string' || users.size === 0 || users.values().some(({ scram }) => scram !== null)
  }

  begin(message: string, channel: ScramChannel): ScramBegun {
    const first = parseClientFirst(message)
    if (typeof first === 'string') return { kind: 'malformed', text: first }
    const unbound = whyNotBound(first, channel)
    if (unbound !== null) return { kind: 'malformed', text: unbound }
    if (first.authorization !== '' && first.authorization !== first.name) return { kind: 'foreign' }
    const users = this.#options.users()
    if (typeof users === 'string') return { kind: 'unavailable', reason: users }
    return this.#begun(first, users, channel.isBound ? channel.binding : null)
  }

  #begun(first: ClientFirst, users: Users, binding: Buffer | null): ScramBegun {
    const { verifier, nonce = newNonce } = this.#options
    const prepared = prepareName(first.name)
    const identity = prepared.ok ? prepared.text : null
    const keys = identity === null ? null : (users.get(identity)?.scram ?? null)
    const exchange = new ScramExchange({
      first,
      keys: keys ?? this.#keysOfNobody(identity ?? first.name),
      nonce: nonce(),
      binding,
    })
    const finish = (message: string): ScramFinished | string => {
      const final = parseClientFinal(message)
      if (typeof final === 'string') return final
      const { isProven, serverFinal } = exchange.finish(final)
      const isRight = isProven && keys !== null
      return {
        serverFinal,
        verify: (network, signal) => verifier.verifyProof({ name: identity, isRight, network, signal }),
      }
    }
    return { kind: 'begun', name: first.name, serverFirst: exchange.serverFirst, finish }
  }

  /** As `user set` makes them. Whoever knows a password for these keys has found a preimage of SHA-256. */
  #keysOfNobody(name: string): ScramVerifier {
    const derived = (what: string): Buffer =>
      createHmac('sha256', this.#options.secret).update(`${what} ${name}`).digest()
    return {
      iterations: SCRAM_ITERATIONS,
      salt: derived('salt').subarray(0, SALT_OCTETS).toString('base64'),
      storedKey: derived('key').subarray(0, SCRAM_KEY_OCTETS).toString('base64'),
      serverKey: derived('server key').subarray(0, SCRAM_KEY_OCTETS).toString('base64'),
    }
  }
}

/**
 * RFC 5802 §6. A client that could bind itself, and was told by somebody on the way that we cannot, says `y`: where we
 * can, it was lied to.
 */
function whyNotBound({ binding: flag }: ClientFirst, { isBound, binding }: ScramChannel): string | null {
  if (!isBound) {
    if (flag.kind === 'p') return 'Channel binding needs SCRAM-SHA-256-PLUS'
    return flag.kind === 'y' && binding !== null ? 'SCRAM-SHA-256-PLUS is offered here' : null
  }
  if (flag.kind !== 'p') return 'SCRAM-SHA-256-PLUS needs channel binding'
  return flag.type === BINDING_TYPE && binding !== null
    ? null
    : `The channel is bound by ${BINDING_TYPE} only`
}

function newNonce(): string {
  return randomBytes(NONCE_OCTETS).toString('base64')
}
