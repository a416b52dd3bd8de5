/** `npm run fault -- F8 F9`: fault experiments by their number; all of them without one. */
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'

/** Those that are part of `npm run test:fault`. */
const IN_CI: Readonly<Record<string, readonly string[]>> = {
  F1: ['kill.test.ts', 'damaged-store.test.ts'],
  F3: ['order.test.ts'],
  F5: ['full-volume.test.ts'],
  F18: ['stop.test.ts', 'reload.test.ts'],
}

const folder = import.meta.dirname
const others = globSync('experiments/f*.test.ts', { cwd: folder })
const numberOf = (file: string): string => (/f\d+/.exec(file)?.[0] ?? '').toUpperCase()
const known = new Map<string, readonly string[]>([
  ...Object.entries(IN_CI),
  ...others.map((file) => [numberOf(file), [file]] as const),
])

const wanted = process.argv.slice(2).map((name) => name.toUpperCase())
const unknown = wanted.filter((name) => !known.has(name))
if (unknown.length > 0) {
  process.stderr.write(
    `No such experiment: ${unknown.join(', ')}. There are ${[...known.keys()].join(', ')}.\n`,
  )
  process.exit(2)
}
const files = [...known]
  .filter(([name]) => wanted.length === 0 || wanted.includes(name))
  .flatMap(([, names]) => names)
const { status } = spawnSync(
  process.execPath,
  ['--test', '--test-concurrency=1', ...files.map((file) => join(folder, file))],
  { stdio: 'inherit' },
)
process.exitCode = status ?? 1
