/** Text from mail, made safe to show: senders choose subjects and names, and a terminal obeys control characters. */

// C0, DEL, C1, line separators, and the marks that turn the direction of writing around.
const INVISIBLE =
  // oxlint-disable-next-line no-control-regex
  /[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|\p{Surrogate}/gu
// The same without line end, tab and the colours that commands themselves add.
// oxlint-disable-next-line no-control-regex
const COMMANDING = /\x1b\[[0-9;]*m|[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g

/** One line of text with every invisible character written out: `\n`, `\x1b`, `\u202e`. */
export function visible(text: string): string {
  return text.replace(INVISIBLE, escaped)
}

/** Output as a last fence: line ends, tabs and colours pass, whatever else a terminal would obey is written out. */
export function fenced(text: string): string {
  return text.replace(COMMANDING, (found) => (found.length > 1 ? found : escaped(found)))
}

/** JSON as text: JSON.stringify leaves DEL, C1 and the direction marks as they are. */
export function visibleJson(value: unknown): string {
  // oxlint-disable-next-line no-control-regex
  return JSON.stringify(value, null, 2).replace(/[\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g, (found) => {
    return `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

function escaped(character: string): string {
  if (character === '\n') return '\\n'
  if (character === '\r') return '\\r'
  if (character === '\t') return '\\t'
  const code = character.charCodeAt(0)
  return code < 0x100
    ? `\\x${code.toString(16).padStart(2, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`
}
