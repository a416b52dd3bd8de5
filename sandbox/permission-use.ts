/**
 * Permissions against what the source of a plugin does, as far as it can be seen without running it: names of tools and
 * of answers. A tool under another name is not seen, so these are warnings and nothing more; the border decides.
 */
import { readFileSync, realpathSync } from 'node:fs'
import type { Problem } from '../config/problem.ts'
import type { CompiledPlugin } from './compile.ts'
import type { Asked, PermissionName } from './permissions.ts'
import { problemAt, problemIn } from './source-problem.ts'
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
  tcp: [tool('tcp', 'exchange')],
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

/** A file of the author's. */
interface Source {
  readonly file: string
  readonly text: string
  /** The text with everything blanked that is no code. */
  readonly code: string
}

/** Warnings: used and not asked for, asked for and not used. Of packages nothing is looked at. */
export function permissionWarnings(compiled: CompiledPlugin, asked: Asked): readonly Problem[] {
  const sources = sourcesOf(compiled)
  const names = Object.keys(USES) as PermissionName[]
  // A package may use what it is handed.
  const isWhole = (compiled.bundle?.packages.length ?? 0) === 0
  return [
    ...names.flatMap((name) => (asked[name] === undefined ? usedOnly(sources, name) : [])),
    ...refusalsUsedOnly(sources, asked),
    ...names.flatMap((name) =>
      asked[name] === undefined || !isWhole ? [] : askedOnly(compiled, sources, name),
    ),
  ]
}

function sourcesOf({ file, text, bundle }: CompiledPlugin): readonly Source[] {
  const entry = realpathSync(file)
  const others = bundle?.files.filter((other) => other !== entry && /\.[cm]?[jt]s$/.test(other)) ?? []
  const all = [{ file, text }, ...others.map((other) => ({ file: other, text: readFileSync(other, 'utf8') }))]
  return all.map((one) => ({ ...one, code: codeOnly(one.text) }))
}

function usedOnly(sources: readonly Source[], name: PermissionName): readonly Problem[] {
  for (const source of sources) {
    const use = USES[name]?.find(({ pattern }) => pattern.test(source.code))
    if (use === undefined) continue
    const asking = name === 'refuse' ? "refuse: ['reject', 'defer']" : `"${name}"`
    return [usedAt(source, use, `the permission ${name}`, `add ${asking} to permissions, or leave it out`)]
  }
  return []
}

/** `refuse` is asked for, but not for this kind. */
function refusalsUsedOnly(sources: readonly Source[], { refuse }: Asked): readonly Problem[] {
  if (!Array.isArray(refuse)) return []
  return REFUSALS.flatMap(([answer, kind]) => {
    const use = called(answer)
    const source = sources.find(({ code }) => use.pattern.test(code))
    if ((refuse as readonly string[]).includes(kind) || source === undefined) return []
    return [usedAt(source, use, `refuse: ['${kind}']`, `add '${kind}' to refuse, or leave it out`)]
  })
}

function usedAt(
  { file, text, code }: Source,
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
function askedOnly(
  compiled: CompiledPlugin,
  sources: readonly Source[],
  name: PermissionName,
): readonly Problem[] {
  const uses = USES[name] ?? []
  const code = sources.map((source) => source.code).join('\n')
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
