/** SCRAM-SHA-256 and -PLUS (RFC 5802, RFC 7677) as an exchange; what the messages mean is behind ScramSignIn. */
import type { ScramBegun, ScramChannel, ScramSignIn } from './ports.ts'
import { base64Of, decoded, type Exchange, malformed, NOT_BASE64, type Taken } from './sasl.ts'

export class ScramExchange implements Exchange {
  readonly method: 'SCRAM-SHA-256' | 'SCRAM-SHA-256-PLUS'
  readonly challenge = ''
  readonly #signIn: ScramSignIn
  readonly #channel: ScramChannel
  #begun: Extract<ScramBegun, { readonly kind: 'begun' }> | null = null

  constructor(signIn: ScramSignIn, channel: ScramChannel) {
    this.method = channel.isBound ? 'SCRAM-SHA-256-PLUS' : 'SCRAM-SHA-256'
    this.#signIn = signIn
    this.#channel = channel
  }

  async take(base64: string): Promise<Taken> {
    const message = decoded(base64)
    if (message === null) return NOT_BASE64
    return this.#begun === null ? await this.#begin(message) : this.#finish(this.#begun, message)
  }

  async #begin(message: string): Promise<Taken> {
    const begun = await this.#signIn.begin(message, this.#channel)
    if (begun.kind !== 'begun') return begun
    this.#begun = begun
    return { kind: 'challenge', challenge: base64Of(begun.serverFirst) }
  }

  #finish({ name, finish }: Extract<ScramBegun, { readonly kind: 'begun' }>, message: string): Taken {
    const finished = finish(message)
    return typeof finished === 'string' ? malformed(finished) : { kind: 'proof', name, finished }
  }
}
