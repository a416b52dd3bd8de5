/**
 * YAML text as plain data, and where every value of it stands. The data has no prototypes, so no name in the file
 * can reach anything but itself, and it is bounded however the file was written.
 */
import { type Document, isAlias, isMap, isScalar, isSeq, type Node, type Pair, parseDocument } from 'yaml'
import { quoted, type SettingPath } from './problem.ts'
import type { Source, Span } from './source.ts'

const MAX_ALIASES = 100
const MAX_VALUES = 100_000
const MAX_DEPTH = 32

/** Where the settings of a file stand. */
export interface Places {
  /** The name of a setting, or its value where it has no name. */
  name(path: SettingPath): Span
  /** The value; for what is not in the file, the nearest thing around it. */
  value(path: SettingPath): Span
}

/** The data of a file, or null after the source was told why there is none. */
export function readDocument(source: Source): { data: unknown; places: Places } | null {
  try {
    const document = parseDocument(source.text, {
      stringKeys: true,
      // Quadratic in yaml; done below.
      uniqueKeys: false,
      resolveKnownTags: false,
      prettyErrors: false,
    })
    if (reportSyntax(source, document)) return null
    const walk = new Walk(source)
    const data = walk.start(document.contents)
    return walk.isComplete ? { data, places: walk } : null
  } catch (error) {
    // Brackets nested by the ten thousand exhaust the stack.
    if (!(error instanceof RangeError)) throw error
    reportExcess(source, [0, 0], TOO_DEEP, DEEP_REMEDY)
    return null
  }
}

const TOO_DEEP = `is nested more than ${MAX_DEPTH} deep`
const DEEP_REMEDY = 'look for brackets that are not closed, or an alias inside its own anchor'

interface SyntaxWords {
  readonly remedy: string
  /** In place of the parser's own words, where those are for programmers. */
  readonly message?: string
}

/** Ways of getting YAML wrong, by the parser's code, and the usual cure. */
const SYNTAX: Readonly<Record<string, SyntaxWords>> = {
  TAB_AS_INDENT: { remedy: 'indent with spaces instead of tabs' },
  BAD_INDENT: { remedy: 'indent the settings of one group by the same number of spaces' },
  BLOCK_AS_IMPLICIT_KEY: { remedy: 'put a value that contains ": " in quotes' },
  MISSING_CHAR: { remedy: 'close every quote and bracket, put a space after ":" and a comma between items' },
  BAD_SCALAR_START: { remedy: 'put the value in quotes' },
  UNEXPECTED_TOKEN: { remedy: 'put a value that contains any of { } [ ] , & * # in quotes' },
  TAG_RESOLVE_FAILED: {
    remedy: 'tags such as !name mean nothing here; for a secret write ${env:NAME} or ${file:PATH}',
  },
  MULTIPLE_DOCS: {
    message: 'the file holds more than one document',
    remedy: 'keep one configuration in the file, and no line "---" after the first setting',
  },
  BAD_ALIAS: { remedy: 'put a name or value that begins with * or & in quotes' },
  BAD_DQ_ESCAPE: { remedy: "use single quotes ('…'), in which a backslash is only a backslash" },
  NON_STRING_KEY: { message: 'the name of a setting must be text', remedy: 'put the name in quotes' },
}
const OTHER_SYNTAX: SyntaxWords = { remedy: 'write one setting a line, as "name: value"' }

/** Whether anything was wrong. One mistake often looks like several: the first of each line is told. */
function reportSyntax(source: Source, document: Document.Parsed): boolean {
  const faults = [...document.errors, ...document.warnings]
  if (faults.some(({ code }) => code === 'RESOURCE_EXHAUSTION')) {
    reportExcess(source, [0, 0], TOO_DEEP, DEEP_REMEDY)
    return true
  }
  const lines = new Set<number>()
  for (const { code, message, pos } of faults) {
    const start = whereSeen(source.text, Math.max(pos[0], 0))
    const line = source.line(start)
    const words = SYNTAX[code] ?? OTHER_SYNTAX
    const sentence = `This is not valid YAML: ${words.message ?? message}.`
    if (!lines.has(line)) source.report([start, Math.max(pos[1], start)], 'P1102', sentence, words.remedy)
    lines.add(line)
  }
  const isOldYaml = document.directives.yaml.version !== '1.2'
  if (isOldYaml)
    source.report([0, 1], 'P1102', 'Only YAML 1.2 is read here.', 'remove the line that begins with %YAML')
  return isOldYaml || faults.length > 0
}

/** What is missing at the end is looked for after the last thing that is there, not on an empty line below. */
function whereSeen(text: string, offset: number): number {
  const restOfLine = text.slice(offset).split('\n', 1)[0] ?? ''
  return restOfLine.trim() === '' ? text.slice(0, offset).trimEnd().length : offset
}

function reportExcess(source: Source, span: Span, what: string, remedy: string): void {
  source.report(span, 'P1104', `The file ${what}.`, remedy)
}

interface Place {
  readonly name: Span | null
  readonly value: Span
}

/** One pass over the nodes, in the order of the text, aliases written out. */
class Walk implements Places {
  readonly #source: Source
  readonly #places = new Map<string, Place>()
  readonly #anchors = new Map<string, Node>()
  #values = 0
  #aliases = 0
  #insideAliases = 0
  #exhausted = false
  #hasUnknownAlias = false

  constructor(source: Source) {
    this.#source = source
  }

  start(contents: Node | null): unknown {
    this.#places.set('[]', { name: null, value: spanOf(contents) ?? [0, 0] })
    return contents === null ? null : this.#plain(contents, [])
  }

  /** Whether the data are all that the file says. */
  get isComplete(): boolean {
    return !this.#exhausted && !this.#hasUnknownAlias
  }

  name(path: SettingPath): Span {
    return this.#places.get(JSON.stringify(path))?.name ?? this.value(path)
  }

  value(path: SettingPath): Span {
    for (let length = path.length; length > 0; length--) {
      const place = this.#places.get(JSON.stringify(path.slice(0, length)))
      // What is missing from a group has the group's name for its place.
      if (place !== undefined) return length === path.length ? place.value : (place.name ?? place.value)
    }
    return this.#places.get('[]')?.value ?? [0, 0]
  }

  #plain(node: Node, path: SettingPath): unknown {
    const span = spanOf(node) ?? [0, 0]
    this.#values++
    if (this.#values > MAX_VALUES)
      return this.#exhaust(
        span,
        `holds more than ${MAX_VALUES} values`,
        'move long lists to files under lookups',
      )
    if (path.length > MAX_DEPTH) return this.#exhaust(span, TOO_DEEP, DEEP_REMEDY)
    if (isAlias(node)) return this.#alias(node.source, span, path)
    const anchor = 'anchor' in node ? node.anchor : undefined
    if (anchor !== undefined && this.#insideAliases === 0) this.#anchors.set(String(anchor), node)
    if (isMap(node)) return this.#group(node.items, path)
    if (isSeq(node)) return this.#list(node.items, path)
    return isScalar(node) ? scalar(node.value, node.source) : null
  }

  #group(pairs: readonly Pair[], path: SettingPath): unknown {
    const group: Record<string, unknown> = Object.create(null)
    for (const { key, value } of pairs) {
      if (this.#exhausted) break
      const name = isScalar(key) && typeof key.value === 'string' ? key.value : ''
      const nameSpan = spanOf(key) ?? [0, 0]
      if (this.#isUsable(name, nameSpan, path, group)) {
        const child = [...path, name]
        const valueSpan = spanOf(value) ?? nameSpan
        this.#places.set(JSON.stringify(child), { name: nameSpan, value: valueSpan })
        group[name] = value === null ? null : this.#plain(value as Node, child)
      }
    }
    return group
  }

  #isUsable(name: string, span: Span, path: SettingPath, group: Record<string, unknown>): boolean {
    const report = (code: 'P1101' | 'P1103', message: string, remedy: string) => {
      this.#source.report(span, code, message, remedy)
      return false
    }
    // Harmless here, but not in whatever copies these data later.
    if (name === '__proto__') return report('P1101', 'Unknown setting "__proto__".', 'remove it')
    if (!Object.hasOwn(group, name)) return true
    const first = this.#source.line(this.name([...path, name])[0])
    return report(
      'P1103',
      `Setting ${quoted(name)} is given twice, first in line ${first}.`,
      'keep one of the two',
    )
  }

  #list(items: readonly unknown[], path: SettingPath): unknown {
    const list: unknown[] = []
    for (const item of items) {
      if (this.#exhausted) break
      const child = [...path, list.length]
      // `[a: 1]` is a list of one small group, which yaml keeps as a bare pair.
      const span = spanOf(item) ?? this.value(path)
      this.#places.set(JSON.stringify(child), { name: null, value: span })
      list.push(this.#plain(item as Node, child))
    }
    return list
  }

  #alias(name: string, span: Span, path: SettingPath): unknown {
    this.#aliases++
    if (this.#aliases > MAX_ALIASES)
      return this.#exhaust(span, `uses more than ${MAX_ALIASES} aliases`, 'write the values out')
    const target = this.#anchors.get(name)
    if (target === undefined) {
      const message = `This is not valid YAML: the alias ${quoted(name)} has no anchor above it.`
      this.#source.report(span, 'P1102', message, (SYNTAX['BAD_ALIAS'] ?? OTHER_SYNTAX).remedy)
      this.#hasUnknownAlias = true
      return null
    }
    this.#insideAliases++
    const value = this.#plain(target, path)
    this.#insideAliases--
    return value
  }

  /** Says so once; everything after is cut off. */
  #exhaust(span: Span, what: string, remedy: string): null {
    if (!this.#exhausted) reportExcess(this.#source, span, what, remedy)
    this.#exhausted = true
    return null
  }
}

/** What YAML makes of a scalar; its own text where that is nothing JSON knows. */
function scalar(value: unknown, text: string | undefined): string | number | boolean | null {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return value
  return text ?? null
}

function spanOf(node: unknown): Span | null {
  const range = (node as Node | null)?.range
  return range ? [range[0], range[1]] : null
}
