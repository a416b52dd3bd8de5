/** A client of SCRAM-SHA-256 and -PLUS (RFC 5802 §3), written from the RFC and from nothing of ours. */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'

export interface ScramClientOptions {
  readonly name: string
  readonly password: string
  /** `n,,`, `y,,` or `p=tls-exporter,,`. */
  readonly header?: string
  /** What the channel is identified by, with `p=`. */
  readonly binding?: Buffer
}

/** Base64 in, base64 out. */
export class ScramClient {
  readonly #header: string
  readonly #binding: Buffer
  readonly #bare: string
  readonly #password: string
  #serverSignature = ''

  constructor({ name, password, header = 'n,,', binding = Buffer.of() }: ScramClientOptions) {
    this.#header = header
    this.#binding = binding
    this.#password = password
    this.#bare = `n=${name},r=fyko+d2lbbFgONRv9qkxdawL`
  }

  get first(): string {
    return base64(this.#header + this.#bare)
  }

  final(serverFirst: string): string {
    const text = Buffer.from(serverFirst, 'base64').toString()
    const [, nonce = '', salt = '', iterations = ''] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(text) ?? []
    const salted = pbkdf2Sync(this.#password, Buffer.from(salt, 'base64'), Number(iterations), 32, 'sha256')
    const clientKey = hmac(salted, 'Client Key')
    const bound = Buffer.concat([Buffer.from(this.#header), this.#binding]).toString('base64')
    const withoutProof = `c=${bound},r=${nonce}`
    const message = `${this.#bare},${text},${withoutProof}`
    const signature = hmac(createHash('sha256').update(clientKey).digest(), message)
    const proof = Buffer.from(clientKey.map((octet, index) => octet ^ (signature[index] ?? 0)))
    this.#serverSignature = hmac(hmac(salted, 'Server Key'), message).toString('base64')
    return base64(`${withoutProof},p=${proof.toString('base64')}`)
  }

  /** Whether the server has proven itself. */
  believes(serverFinal: string): boolean {
    return serverFinal === base64(`v=${this.#serverSignature}`)
  }
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}
