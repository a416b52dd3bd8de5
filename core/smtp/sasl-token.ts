/** Bearer tokens (RFC 6750) as clients send them: OAUTHBEARER (RFC 7628) and, of the same in Google's form, XOAUTH2. */
import { decoded, type Exchange, malformed, NOT_BASE64, type Taken } from './sasl.ts'

export type TokenMethod = 'OAUTHBEARER' | 'XOAUTH2'

/** RFC 6750 §2.1. */
const BEARER = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i
/** RFC 7628 §3.1: a header of GS2, then pairs, each with a separator behind it, and one separator more. */
const SEPARATOR = '\u0001'
const HEADER = /^[ny],(?:a=([^,]*))?,$/
const PAIR = /^[A-Za-z]+=[\t\r\n -~]*$/

/** What a client is told of a token that is worth nothing (RFC 7628 §3.2.2): it may get itself another one. */
export const TOKEN_ERRORS: { readonly [method in TokenMethod]: string } = {
  OAUTHBEARER: JSON.stringify({ status: 'invalid_token' }),
  XOAUTH2: JSON.stringify({ status: '401', schemes: 'bearer' }),
}

export class TokenExchange implements Exchange {
  readonly method: TokenMethod
  readonly challenge = ''

  constructor(method: TokenMethod) {
    this.method = method
  }

  take(base64: string): Taken {
    const message = decoded(base64)
    if (message === null) return NOT_BASE64
    return this.method === 'XOAUTH2' ? xoauth2(message) : oauthbearer(message)
  }
}

function oauthbearer(message: string): Taken {
  const [header = '', ...pairs] = message.split(SEPARATOR)
  const isWhole = pairs.pop() === '' && pairs.pop() === '' && pairs.every((pair) => PAIR.test(pair))
  const match = HEADER.exec(header)
  const [, saslName = ''] = match ?? []
  const auths = pairs.filter((pair) => pair.startsWith('auth='))
  // RFC 5801 §4: commas and equals signs of a name are escaped.
  if (!isWhole || match === null || auths.length !== 1 || /=(?!2C|3D)/.test(saslName))
    return malformed('The response is no OAUTHBEARER message')
  return tokenOf(
    saslName.replaceAll('=2C', ',').replaceAll('=3D', '='),
    auths[0]?.slice('auth='.length) ?? '',
  )
}

function xoauth2(message: string): Taken {
  const [user = '', auth = '', ...ends] = message.split(SEPARATOR)
  const name = user.slice('user='.length)
  const isWhole = user.startsWith('user=') && auth.startsWith('auth=') && ends.join('-') === '-'
  return isWhole && name !== ''
    ? tokenOf(name, auth.slice('auth='.length))
    : malformed('The response is no XOAUTH2 message')
}

function tokenOf(name: string, auth: string): Taken {
  const [, token] = BEARER.exec(auth) ?? []
  if (token === undefined) return malformed('The response has no bearer token')
  return name.includes('\0') ? malformed('The name cannot be read') : { kind: 'token', name, token }
}
