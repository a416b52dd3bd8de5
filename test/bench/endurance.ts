/**
 * Whether anything grows: sessions without end, a reload every ten seconds, and what each process has of memory and open
 * files. Not a test: `npm run bench:endurance -- [--json] [--sessions N]`. Ends with 1 when a process had more than
 * `ALLOWED` times at the end of what it had after the first minute.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Gateway } from '../support/gateway.ts'
import { startPeer } from '../support/peer-programs.ts'
import { treeOf } from './cpu-time.ts'

const RELOAD_MS = 10_000
const SAMPLE_MS = 1_000
/** Until then caches fill and code is compiled. */
const WARM_MS = 60_000
/** Samples whose median is compared, on both sides. */
const WINDOW = 20
const ALLOWED = 1.1
/** So many files more are within the tenth, however few there are. */
const SPARE_FILES = 5
const PAGE_BYTES = 4_096

/** What a process is, not which: plughosts are replaced with every reload, so those of one kind are added up. */
interface Sample {
  readonly atMs: number
  readonly kinds: ReadonlyMap<string, { readonly rssMib: number; readonly files: number }>
}

interface Growth {
  readonly process: string
  readonly what: 'memory, MiB' | 'open files'
  readonly before: number
  readonly after: number
  readonly isWithin: boolean
}

const { values: options } = parseArgs({
  options: { json: { type: 'boolean' }, sessions: { type: 'string', default: '100000' } },
})
const sessions = Number(options.sessions)
if (!Number.isInteger(sessions) || sessions < 1) throw new Error('--sessions is a whole number from 1')

await using gateway = await Gateway.start({
  domains: { 'example.test': { deliver: 'discard:' } },
  limits: 'off',
})
gateway.folder.write('counting.ts', source(0))
gateway.folder.change({
  plugins: [
    { name: 'relay-control' },
    { path: './counting.ts' },
    { name: 'recipients' },
    { name: 'routing' },
  ],
})
const samples: Sample[] = []
const startedAt = performance.now()
let reloads = 0
let refusedReloads = 0
let isOver = false
const watching = every(SAMPLE_MS, async () => {
  samples.push({ atMs: performance.now() - startedAt, kinds: look(gateway.supervisorPid) })
})
const reloading = every(RELOAD_MS, async () => {
  gateway.folder.write('counting.ts', source(++reloads))
  if (!(await gateway.control.reload()).isReloaded) refusedReloads++
  process.stderr.write(
    `${Math.round((performance.now() - startedAt) / 1000)} s, ${reloads} reloads, ${summary()}\n`,
  )
})
await send()
isOver = true
await Promise.all([watching, reloading])
const seconds = (performance.now() - startedAt) / 1000
const growth = grown()
report()

async function send(): Promise<void> {
  const envelope = ['-f', 's@client.example', '-t', 'rcpt@example.test']
  const many = ['-s', '20', '-l', '2000', '-m', String(sessions)]
  await using client = startPeer('smtp-source', [...many, ...envelope, `127.0.0.1:${gateway.port}`])
  const { code, stderr } = await client.end(24 * 3_600_000)
  if (code === 0) return
  const [failure] = gateway.logged('plugin-failed')
  throw new Error(`smtp-source ended with ${code}: ${stderr}${JSON.stringify(failure ?? null)}`)
}

/** A plugin that has something to do, and is another one with each number. */
function source(number: number): string {
  return `import { definePlugin } from 'postern'
export default definePlugin({
  name: 'counting', version: '1.0.${number}', api: 1, permissions: { kv: ['count:*'], 'headers.write': ['X-Count'] },
  hooks: {
    async rcpt({ session }, { kv }) { await kv.increment('count:' + session.client.network, { ttlSeconds: 60 }) },
    data(_event, { headers }) { headers.add('X-Count', '${number}') },
  },
})
`
}

async function every(ms: number, work: () => Promise<void>): Promise<void> {
  for (let due = performance.now() + ms; !isOver; due += ms) {
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())))
    if (!isOver) await work()
  }
}

function look(supervisor: number): Sample['kinds'] {
  const kinds = new Map<string, { rssMib: number; files: number }>()
  for (const pid of treeOf(supervisor)) {
    try {
      const pages = Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1])
      const files = readdirSync(`/proc/${pid}/fd`).length
      const kind = kindOf(pid, supervisor)
      const known = kinds.get(kind) ?? { rssMib: 0, files: 0 }
      kinds.set(kind, {
        rssMib: known.rssMib + (pages * PAGE_BYTES) / 1024 ** 2,
        files: known.files + files,
      })
    } catch {
      // Gone between the list and the look.
    }
  }
  return kinds
}

function kindOf(pid: number, supervisor: number): string {
  if (pid === supervisor) return 'supervisor'
  const [, entry = 'other'] = /([\w-]+)\/(?:main|start|worker|keeper)\.[jt]s/.test(commandOf(pid))
    ? (/\/([\w-]+\/[\w-]+)\.[jt]s/.exec(commandOf(pid)) ?? [])
    : []
  return entry
}

function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ')
}

function grown(): readonly Growth[] {
  if ((samples.at(-1)?.atMs ?? 0) < WARM_MS + 2 * WINDOW * SAMPLE_MS)
    throw new Error(`over after ${Math.round(seconds)} s, too soon to compare: ask for more --sessions`)
  const warm = samples.filter(({ atMs }) => atMs >= WARM_MS).slice(0, WINDOW)
  const last = samples.slice(-WINDOW)
  const names = new Set(samples.flatMap(({ kinds }) => [...kinds.keys()]))
  return [...names].flatMap((name) => {
    const of = (some: readonly Sample[], what: 'rssMib' | 'files'): number =>
      median(some.map(({ kinds }) => kinds.get(name)?.[what] ?? 0))
    const memory = { before: of(warm, 'rssMib'), after: of(last, 'rssMib') }
    const files = { before: of(warm, 'files'), after: of(last, 'files') }
    return [
      {
        process: name,
        what: 'memory, MiB' as const,
        ...memory,
        isWithin: memory.after <= memory.before * ALLOWED,
      },
      {
        process: name,
        what: 'open files' as const,
        ...files,
        isWithin: files.after <= Math.max(files.before * ALLOWED, files.before + SPARE_FILES),
      },
    ]
  })
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

function summary(): string {
  const { kinds } = samples.at(-1) ?? { kinds: new Map() }
  return [...kinds]
    .map(([name, { rssMib, files }]) => `${name} ${Math.round(rssMib)} MiB ${files} files`)
    .join(', ')
}

function report(): void {
  const isWithin = growth.every((row) => row.isWithin)
  if (options.json === true)
    process.stdout.write(
      `${JSON.stringify({ sessions, seconds, reloads, refusedReloads, isWithin, growth, samples: samples.length })}\n`,
    )
  else {
    process.stdout.write(
      `${sessions} sessions, ${reloads} reloads (${refusedReloads} refused), ${Math.round(seconds)} s\n`,
    )
    for (const { process: name, what, before, after, isWithin: well } of growth)
      process.stdout.write(
        `${name.padEnd(20)} ${what.padEnd(12)} ${before.toFixed(1).padStart(8)} ${after.toFixed(1).padStart(8)}  ${well ? 'within' : 'GREW'}\n`,
      )
  }
  process.exitCode = isWithin && refusedReloads === 0 ? 0 : 1
}
