/**
 * The server's side of one SCRAM-SHA-256 exchange (RFC 5802 §3, §5; RFC 7677). Neither side sends the password: the
 * client proves that it knows it, and the server that it knows what was made of it.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { ScramVerifier } from './scram.ts'
import type { ClientFinal, ClientFirst } from './scram-messages.ts'

/** What came of the client's final message. */
export interface ScramResult {
  readonly isProven: boolean
  /** `server-final-message`: the server's own proof. Only for a client that has proven itself. */
  readonly serverFinal: string
}

export interface ScramExchangeOptions {
  readonly first: ClientFirst
  readonly keys: ScramVerifier
  /** The server's part of the nonce: printable, no comma, never the same again. */
  readonly nonce: string
  /** What identifies the channel, where the client binds itself to it (RFC 9266); null where it does not. */
  readonly binding: Buffer | null
}

export class ScramExchange {
  readonly #first: ClientFirst
  readonly #keys: ScramVerifier
  readonly #nonce: string
  readonly #binding: Buffer

  constructor({ first, keys, nonce, binding }: ScramExchangeOptions) {
    this.#first = first
    this.#keys = keys
    this.#nonce = first.nonce + nonce
    this.#binding = Buffer.concat([Buffer.from(first.header), binding ?? Buffer.of()])
  }

  /** `server-first-message`. */
  get serverFirst(): string {
    const { salt, iterations } = this.#keys
    return `r=${this.#nonce},s=${salt},i=${iterations}`
  }

  /** Everything is looked at before anything is answered: which part was wrong is nobody's business. */
  finish({ binding, nonce, proof, withoutProof }: ClientFinal): ScramResult {
    const message = `${this.#first.bare},${this.serverFirst},${withoutProof}`
    const storedKey = Buffer.from(this.#keys.storedKey, 'base64')
    const signature = hmac(storedKey, message)
    const clientKey = signature.map((octet, index) => octet ^ (proof[index] ?? 0))
    const isRight = timingSafeEqual(createHash('sha256').update(clientKey).digest(), storedKey)
    const isBound = binding.equals(this.#binding)
    const isProven = isRight && proof.length === signature.length && isBound && nonce === this.#nonce
    const serverKey = Buffer.from(this.#keys.serverKey, 'base64')
    return { isProven, serverFinal: `v=${hmac(serverKey, message).toString('base64')}` }
  }
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
