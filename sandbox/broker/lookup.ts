/** Capability `lookup`: tables of the configuration, asked by name. */
import { readFileSync } from 'node:fs'
import type { LookupConfig } from '../../config/config.ts'
import type { Problem } from '../../config/problem.ts'
import { type Effect, EffectRefused, PermissionDenied } from './effect.ts'

/** Entries by table; entries are lower-cased. */
export type LookupTables = ReadonlyMap<string, ReadonlySet<string>>

/** Octets of the largest table file. */
const MAX_TABLE_BYTES = 64 * 1024 * 1024

/** Reads the tables. A file has one entry a line; empty lines and those that begin with # are left out. */
export function readLookupTables(configs: Readonly<Record<string, LookupConfig>>): {
  readonly tables: LookupTables
  readonly problems: readonly Problem[]
} {
  const problems: Problem[] = []
  const tables = new Map<string, ReadonlySet<string>>()
  for (const [name, config] of Object.entries(configs)) {
    try {
      const entries = config.kind === 'list' ? config.entries : fileEntries(config.path)
      tables.set(name, new Set(entries.map((entry) => entry.toLowerCase())))
    } catch (error) {
      const place = config.kind === 'file' ? config.path : name
      const message = `The lookup table "${name}" cannot be read: ${(error as Error).message.split(',')[0]}.`
      problems.push({
        code: 'P1007',
        place,
        message,
        remedy: 'name an existing file of text, one entry a line',
      })
    }
  }
  return { tables, problems }
}

export function lookupEffects(tables: LookupTables): readonly (readonly [string, Effect])[] {
  const has: Effect = {
    write: false,
    run: async ({ permissions }, [table, entry]) => {
      if (typeof table !== 'string' || typeof entry !== 'string')
        throw new EffectRefused('has(table, entry) takes two texts')
      if (!permissions.lookup.matches(table))
        throw new PermissionDenied('lookup', `the permission lookup does not cover the table "${table}"`)
      const entries = tables.get(table)
      if (entries === undefined)
        throw new EffectRefused(`there is no lookup table "${table}"; see "lookups" in the configuration`)
      return entries.has(entry.toLowerCase())
    },
  }
  return [['lookup.has', has]]
}

function fileEntries(path: string): readonly string[] {
  const text = readFileSync(path, 'utf8')
  if (text.length > MAX_TABLE_BYTES) throw new RangeError(`the file is larger than ${MAX_TABLE_BYTES} octets`)
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
}
