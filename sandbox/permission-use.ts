/**
 * Permissions against what the source of a plugin does, as far as it can be seen without running it: names of tools and
 * of answers. A tool under another name is not seen, so these are warnings and nothing more; the border decides.
 */
import type { Problem } from '../config/problem.ts'
import { type CompiledPlugin, problemAt, problemIn } from './compile.ts'
import type { Asked, PermissionName } from './permissions.ts'
import { codeOnly } from './source-words.ts'

interface Use {
  /** How it looks when it is used. */
  readonly pattern: RegExp
  /** For a reader. */
  readonly word: string
}

const tool = (name: string, methods: string): Use => ({
  pattern: new RegExp(`\\b${name}\\s*\\??\\.\\s*(?:${methods})\\b`),
  word: name,
})
const called = (name: string): Use => ({ pattern: new RegExp(`(?<![.\\w])${name}\\s*\\(`), word: name })
/** A tool that is a function itself: behind a dot, or taken out of the tools. */
const action = (name: string): Use => ({ pattern: new RegExp(`(?<!\\w)${name}\\s*\\(`), word: name })

/** Permissions that show in the source, with their uses. A secret is named in a text, which is not looked into. */
const USES: Readonly<Partial<Record<PermissionName, readonly Use[]>>> = {
  kv: [tool('kv', 'get|set|increment|delete')],
  lookup: [tool('lookup', 'has')],
  'headers.read': [tool('headers', 'all|first')],
  'headers.write': [tool('headers', 'add|remove')],
  'body.read': [tool('body', 'chunk'), tool('message', 'search')],
  'message.parts': [tool('message', 'parts|hash')],
  dns: [tool('dns', 'resolve')],
  http: [tool('http', 'fetch')],
  // Its own notes need no permission.
  notes: [{ pattern: /\bnotes\s*\??\.\s*get\s*\([^)]*\bplugin\b/, word: 'notes' }],
  'relay.grant': [tool('relay', 'grant')],
  'route.set': [tool('route', 'set')],
  hold: [action('hold')],
  discard: [action('discard')],
  refuse: [called('reject'), called('defer'), called('disconnect'), called('wait')],
}

/** Which kind of refusal an answer needs; `disconnect` needs either. */
const REFUSALS: readonly (readonly [string, string])[] = [
  ['reject', 'reject'],
  ['defer', 'defer'],
  ['wait', 'defer'],
]

/** Warnings: used and not asked for, asked for and not used. */
export function permissionWarnings(compiled: CompiledPlugin, asked: Asked): readonly Problem[] {
  const code = codeOnly(compiled.text)
  const names = Object.keys(USES) as PermissionName[]
  return [
    ...names.flatMap((name) => (asked[name] === undefined ? usedOnly(compiled, code, name) : [])),
    ...refusalsUsedOnly(compiled, code, asked),
    ...names.flatMap((name) => (asked[name] === undefined ? [] : askedOnly(compiled, code, name))),
  ]
}

function usedOnly(compiled: CompiledPlugin, code: string, name: PermissionName): readonly Problem[] {
  const use = USES[name]?.find(({ pattern }) => pattern.test(code))
  if (use === undefined) return []
  const asking = name === 'refuse' ? "refuse: ['reject', 'defer']" : `"${name}"`
  return [
    usedAt(compiled, code, use, `the permission ${name}`, `add ${asking} to permissions, or leave it out`),
  ]
}

/** `refuse` is asked for, but not for this kind. */
function refusalsUsedOnly(compiled: CompiledPlugin, code: string, { refuse }: Asked): readonly Problem[] {
  if (!Array.isArray(refuse)) return []
  return REFUSALS.flatMap(([answer, kind]) => {
    const use = called(answer)
    if ((refuse as readonly string[]).includes(kind) || !use.pattern.test(code)) return []
    return [usedAt(compiled, code, use, `refuse: ['${kind}']`, `add '${kind}' to refuse, or leave it out`)]
  })
}

function usedAt(
  { file, text }: CompiledPlugin,
  code: string,
  { pattern, word }: Use,
  needed: string,
  remedy: string,
): Problem {
  const at = code.search(pattern)
  const line = code.slice(0, at).split('\n').length
  const column = at - code.lastIndexOf('\n', at - 1)
  const message = `"${word}" is used here without ${needed}: it will be refused.`
  return problemAt('P2003', file, text, line, column, message, remedy)
}

/** Not a word of it anywhere but where it is asked for. */
function askedOnly(compiled: CompiledPlugin, code: string, name: PermissionName): readonly Problem[] {
  const uses = USES[name] ?? []
  const isMentioned = uses.some(({ pattern, word }) => {
    const words = code.match(new RegExp(`\\b${word}\\b(?!\\s*:\\s*(?:true|\\[))`, 'g')) ?? []
    return pattern.test(code) || words.length > 0
  })
  if (isMentioned) return []
  const message = `The permission "${name}" is asked for, and nothing here seems to use it.`
  const place = new RegExp(`['"]?${name.replace('.', '\\.')}['"]?\\s*:`)
  return [
    problemIn('P2004', compiled, place, message, 'leave it out: who installs the plugin has less to allow'),
  ]
}
