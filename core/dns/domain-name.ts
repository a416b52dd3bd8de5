/** Domain names as text: what can be asked about, and what can be a host (RFC 1123 §2.1, RFC 2181 §11). */

const MAX_NAME = 253
/** Any printable character but dot and backslash: an underscore leads many names that are not hosts. */
const LABEL = /^[!-\-/-[\]-~]{1,63}$/
/** Letters, digits, hyphens inside. The underscore is against the rules, but there are exchangers that have it. */
const HOST_LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i

/** The name as it is asked for: lower-case, without a dot at the end. Null when no question can have it. */
export function questionName(text: string): string | null {
  const name = text.endsWith('.') ? text.slice(0, -1) : text
  if (name.length > MAX_NAME || !name.split('.').every((label) => LABEL.test(label))) return null
  // ASCII by now: nothing else turns into a letter.
  return name.toLowerCase()
}

/** Whether a host can have this name. An address is no name, and nothing whose last label is a number. */
export function isHostName(name: string): boolean {
  if (name.length > MAX_NAME) return false
  const labels = name.split('.')
  return labels.every((label) => HOST_LABEL.test(label)) && !/^\d+$/.test(labels.at(-1) ?? '')
}
