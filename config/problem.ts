/** A mistake in the configuration as a person reads it: what, where, and how to mend it. */

const MAX_QUOTED = 60

/** Every code with what it stands for. Codes are stable: they are searched for and documented. */
export const PROBLEM_CODES = {
  P1100: 'the configuration file cannot be read',
  P1101: 'unknown setting',
  P1102: 'not valid YAML',
  P1103: 'setting given twice',
  P1104: 'too many aliases, too many values, or nested too deep',
  P1105: 'value of the wrong type',
  P1106: 'value is none of those allowed',
  P1107: 'value out of range',
  P1108: 'setting missing',
  P1109: 'settings that exclude each other, or need each other',
  P1110: 'malformed reference to a secret',
  P1111: 'environment variable not set',
  P1112: 'file of a secret cannot be read',
  P1120: 'not an IP address and port',
  P1121: 'address listened on twice',
  P1122: 'not a domain name',
  P1123: 'domain given twice',
  P1124: 'not a network',
  P1125: 'not a destination',
  P1126: 'not a duration',
  P1127: 'not a size',
  P1128: 'not a usable path',
  P1129: 'not a host name',
  P1130: 'everyone could send mail through this server',
  P1131: 'not a mailbox',
  P1132: 'not a name',
  P1133: 'rules of bounce classes cannot be used',
  P1140: 'certificate or key cannot be read',
  P1141: 'certificate or key cannot be used',
  P1142: 'certificate not valid at this time',
  P1143: 'certificate cannot be made',
  P1150: 'not built yet',
} as const

export type ProblemCode = keyof typeof PROBLEM_CODES

export interface Problem {
  /** One of PROBLEM_CODES when it comes from here; other rooms have codes of their own. */
  readonly code: string
  /** `file:line:column`, counted from 1; the file alone when it could not be read. */
  readonly place: string
  /** What was found and what was expected, a sentence. */
  readonly message: string
  /** How to mend it; follows "Fix: ". */
  readonly remedy: string
  /** The line of the file with a mark under the mistake. */
  readonly frame?: string
}

/** A mistake before its place in the text is looked up. */
export interface Finding {
  /** The setting it is about. */
  readonly path: SettingPath
  /** Whether the setting's name or its value is to be marked. */
  readonly mark: 'name' | 'value'
  readonly code: ProblemCode
  readonly message: string
  readonly remedy: string
}

/** Names and list positions from the top of the file down to one setting. */
export type SettingPath = readonly (string | number)[]

/** A problem as printed: code, place and sentence, the line, the fix. Ends without a newline. */
export function formatProblem({ code, place, message, remedy, frame }: Problem): string {
  const lines = [`${code}  ${place}  ${message}`]
  if (frame !== undefined) lines.push(frame)
  return [...lines, `Fix: ${remedy}`].join('\n')
}

/** A path as people write it: `listeners[0].address`, `domains['example.test'].deliver`. */
export function formatPath(path: SettingPath): string {
  let out = ''
  for (const step of path) {
    if (typeof step === 'number') out += `[${step}]`
    else if (/^[\w-]{1,60}$/.test(step)) out += out === '' ? step : `.${step}`
    else out += `['${quoted(step).slice(1, -1)}']`
  }
  return out
}

/** A text from the file between double quotes, shortened, without anything that would move a terminal's cursor. */
export function quoted(text: string): string {
  const short = text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text
  const escape = (char: string) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  // JSON leaves these as they are: DEL, the C1 controls, and what turns the direction of writing.
  return JSON.stringify(short).replace(/[\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, escape)
}
