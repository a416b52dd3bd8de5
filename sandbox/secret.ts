/**
 * Passwords in what plugins say about them: an error text can quote one by accident. This is for accidents; a plugin
 * that wants to give a password away is kept from it by not having the permission `credentials`.
 */

const MASK = '‹password›'
/** A shorter one is part of so many words that what is left out would tell it. */
const MIN_CHARS = 4

/** A copy of plain data with `secret` masked in every text, names of fields too; '' masks nothing. */
export function withoutSecret<T>(data: T, secret: string): T {
  return secret.length < MIN_CHARS ? data : (masked(data, secret) as T)
}

function masked(data: unknown, secret: string): unknown {
  if (typeof data === 'string') return data.replaceAll(secret, MASK)
  if (Array.isArray(data)) return data.map((item) => masked(item, secret))
  if (data === null || typeof data !== 'object') return data
  return Object.fromEntries(
    Object.entries(data).map(([name, value]) => [name.replaceAll(secret, MASK), masked(value, secret)]),
  )
}
