/** The messages of a SCRAM client (RFC 5802 §7), taken apart. What the server says of them is in scram-exchange.ts. */

/** `n`: no channel binding. `y`: the client could, and believes that the server cannot. `p`: of this type. */
export type BindingFlag = { readonly kind: 'n' | 'y' } | { readonly kind: 'p'; readonly type: string }

export interface ClientFirst {
  readonly binding: BindingFlag
  /** In whose name the client wants to act; '' in its own. */
  readonly authorization: string
  readonly name: string
  readonly nonce: string
  /** `gs2-header`, as sent: the client repeats it in its final message. */
  readonly header: string
  /** `client-first-message-bare`, as sent: a part of what is signed. */
  readonly bare: string
}

export interface ClientFinal {
  /** `cbind-input`. */
  readonly binding: Buffer
  readonly nonce: string
  readonly proof: Buffer
  /** `client-final-message-without-proof`, as sent: a part of what is signed. */
  readonly withoutProof: string
}

/** Longest message, in characters: names and nonces have 255 at most, and extensions are passed over. */
export const MAX_SCRAM_MESSAGE = 4_096
const MAX_NONCE = 255

const FIRST = /^((?:(n|y)|p=([A-Za-z0-9.-]+)),(?:a=([^,]*))?,)(n=([^,]*),r=([!-+\x2d-~]+)(?:,.*)?)$/s
const FINAL = /^(c=([A-Za-z0-9+/]*={0,2}),r=([!-+\x2d-~]+)(?:,.*)?),p=([A-Za-z0-9+/]+={0,2})$/s

/** A string is the reason why it is none. An extension that must be understood (`m=`) is none of ours. */
export function parseClientFirst(text: string): ClientFirst | string {
  if (text.length > MAX_SCRAM_MESSAGE) return 'The message is too long'
  const match = FIRST.exec(text)
  if (match === null) return 'The response is no first message of SCRAM'
  const [, header = '', plain, type = '', authorization = '', bare = '', escaped = '', nonce = ''] = match
  const name = unescaped(escaped)
  const actsFor = unescaped(authorization)
  if (name === null || name === '' || actsFor === null) return 'The response has no name that can be read'
  if (nonce.length > MAX_NONCE) return 'The nonce is too long'
  const binding: BindingFlag = plain === 'n' || plain === 'y' ? { kind: plain } : { kind: 'p', type }
  return { binding, authorization: actsFor, name, nonce, header, bare }
}

/** A string is the reason why it is none. */
export function parseClientFinal(text: string): ClientFinal | string {
  if (text.length > MAX_SCRAM_MESSAGE) return 'The message is too long'
  const match = FINAL.exec(text)
  if (match === null) return 'The response is no final message of SCRAM'
  const [, withoutProof = '', binding = '', nonce = '', proof = ''] = match
  const [bound, proven] = [bytes(binding), bytes(proof)]
  if (bound === null || proven === null) return 'The response has something that is not base64'
  return { binding: bound, nonce, proof: proven, withoutProof }
}

/** RFC 5802 §5.1: `=2C` is a comma and `=3D` an equals sign, and there is no other. */
function unescaped(saslName: string): string | null {
  if (/=(?!2C|3D)/.test(saslName)) return null
  return saslName.replaceAll('=2C', ',').replaceAll('=3D', '=')
}

function bytes(base64: string): Buffer | null {
  const decoded = Buffer.from(base64, 'base64')
  return decoded.toString('base64') === base64 ? decoded : null
}
