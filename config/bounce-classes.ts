/** The rules of bounce classes: those that come with the gateway, or a file of the administrator's. */
import { join } from 'node:path'
import type { BounceRule } from '../core/mail/bounce-classes.ts'
import type { Config } from './config.ts'
import { readDocument } from './document.ts'
import type { Problem } from './problem.ts'
import { Source } from './source.ts'
import { readAtMost } from './text-file.ts'

export const OWN_BOUNCE_CLASSES = join(import.meta.dirname, 'bounce-classes.yaml')

const MAX_FILE_BYTES = 256 * 1024
/** Each is a series of the metrics. */
const MAX_CLASSES = 64
const REMEDY =
  'write it as in config/bounce-classes.yaml: a list of rules with "class" and "code", "status" or "text"'

const NAME = /^[a-z][a-z0-9-]{0,31}$/
const FORMS = {
  code: /^[2-5x][0-9x]{2}$/,
  status: /^[245x](?:\.(?:\d{1,3}|x)){2}$/,
  text: /^[^\p{Cc}]{3,100}$/u,
} as const
const MEMBERS = ['code', 'status', 'text'] as const

/** Never throws for what is in the file. */
export function readBounceClasses({
  outbound,
}: Config): { readonly rules: readonly BounceRule[] } | { readonly problems: readonly Problem[] } {
  const { file, place } = outbound.bounceClasses
  const problem = (message: string): { readonly problems: readonly Problem[] } => ({
    problems: [{ code: 'P1133', place, message, remedy: REMEDY }],
  })
  const name = file ?? OWN_BOUNCE_CLASSES
  const read = readAtMost(name, MAX_FILE_BYTES)
  if ('reason' in read) return problem(`The file ${name} ${read.reason}.`)
  const source = new Source(name, read.text)
  const document = readDocument(source)
  if (document === null) return { problems: source.problems() }
  const { data } = document
  if (!Array.isArray(data)) return problem(`${name} is no list of rules.`)
  const rules: BounceRule[] = []
  for (const [index, value] of data.entries()) {
    const rule = readRule(value)
    if (typeof rule === 'string') return problem(`Rule ${index + 1} of ${name}: ${rule}.`)
    rules.push(rule)
  }
  const classes = new Set(rules.map((rule) => rule.class)).size
  return classes > MAX_CLASSES
    ? problem(`${name} has ${classes} classes, more than ${MAX_CLASSES}.`)
    : { rules }
}

/** A string is the reason why it is none. */
function readRule(value: unknown): BounceRule | string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'it is no rule'
  const { class: name, ...others } = value as Readonly<Record<string, unknown>>
  if (typeof name !== 'string' || !NAME.test(name)) return '"class" needs a word of small letters and hyphens'
  const rule: Record<string, unknown> = { class: name }
  for (const [key, list] of Object.entries(others)) {
    const member = MEMBERS.find((one) => one === key)
    if (member === undefined) return `there is no "${key}" in a rule`
    if (!Array.isArray(list) || list.length === 0) return `"${key}" needs a list`
    const words = list.map(String)
    const wrong = words.find((word) => !FORMS[member].test(word))
    if (wrong !== undefined) return `"${wrong}" cannot stand in "${key}"`
    rule[member] = words
  }
  if (Object.keys(rule).length === 1) return 'it fits everything: give it a "code", "status" or "text"'
  return rule as unknown as BounceRule
}
