/**
 * What the gateway costs, as a table or as JSON. Not a test: `npm run bench -- [--json] [--quick] [--against CHECKOUT]`.
 *
 * CPU time, not speed, is what compares: it depends less on who else uses the machine. With `--against` another
 * checkout's border and gateway are measured in turns with this one's, each pair within a minute or two.
 */
import { spawnSync } from 'node:child_process'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { needing } from '../support/peer-programs.ts'
import { measureLoading } from './border.ts'
import { type Load, measureGateway, type Rate } from './gateway.ts'

interface Row {
  readonly what: string
  readonly value: number
  readonly unit: string
  /** What it should not be above; null: nothing was promised. */
  readonly goal: number | null
}

/** CPU microseconds. */
interface BorderCost {
  readonly session: { readonly worker: number; readonly plughost: number }
  readonly hostCall: { readonly worker: number; readonly plughost: number }
}

const BORDER_COST = `
const [, url, sessions, calls] = process.argv
const { measureSessions, measureHostCall } = await import(url)
const session = await measureSessions(Number(sessions))
const hostCall = await measureHostCall(Number(calls))
process.stdout.write(JSON.stringify({ session, hostCall }), () => process.exit())
`

const HERE = join(import.meta.dirname, '..', '..')
const ROUNDS = 3
const LOADS: readonly (readonly [string, Load])[] = [
  ['W1, 4 KB', { mode: 'w1', bodyBytes: 4_096, messages: 4_000 }],
  ['W3, 4 KB', { mode: 'w3', bodyBytes: 4_096, messages: 4_000 }],
  ['W1, 64 KB', { mode: 'w1', bodyBytes: 65_536, messages: 2_000 }],
]

const { values: options } = parseArgs({
  options: { json: { type: 'boolean' }, quick: { type: 'boolean' }, against: { type: 'string' } },
})
const part = options.quick === true ? 10 : 1
const rows = [...(await border()), ...(await gateways())]
print(rows)

async function border(): Promise<readonly Row[]> {
  const roots = [HERE, ...(options.against === undefined ? [] : [options.against])]
  const costs = new Map<string, BorderCost[]>(roots.map((root) => [root, []]))
  for (let round = 0; round < (part > 1 ? 1 : ROUNDS); round++)
    for (const [root, of] of costs) of.push(borderCost(root))
  const [started, ahead]: [number[], number[]] = [[], []]
  for (let round = 0; round < ROUNDS; round++) {
    started.push(await measureLoading(false))
    ahead.push(await measureLoading(true))
  }
  return [
    ...[...costs].flatMap(([root, of]) => borderRows(root === HERE ? '' : ` (${root})`, of)),
    { what: '20 plugins loaded, plughost spare', value: median(ahead), unit: 'ms', goal: 150 },
    { what: '20 plugins loaded, plughost started', value: median(started), unit: 'ms', goal: null },
  ]
}

/** In a process of its own: what was compiled and collected before is nobody's advantage. */
function borderCost(root: string): BorderCost {
  const url = pathToFileURL(join(root, 'test', 'bench', 'border.ts')).href
  const counts = [20_000 / part, 100_000 / part].map(String)
  const args = ['--input-type=module', '--eval', BORDER_COST, url, ...counts]
  const { status, stdout } = spawnSync(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  if (status !== 0) throw new Error(`the border of ${root} could not be measured`)
  return JSON.parse(stdout.toString()) as BorderCost
}

function borderRows(whose: string, costs: readonly BorderCost[]): readonly Row[] {
  const row = (what: string, goal: number | null, of: (cost: BorderCost) => number): Row => {
    return { what: `${what}${whose}`, value: median(costs.map(of)), unit: 'µs CPU', goal }
  }
  const session = 'a session, 5 plugins on 7 hooks, recorded'
  const call = 'a hook that awaits one host call'
  return [
    row(`${session}: worker`, 40, ({ session }) => session.worker),
    row(`${session}: plughost`, null, ({ session }) => session.plughost),
    row(`${call}: worker`, null, ({ hostCall }) => hostCall.worker),
    row(`${call}: plughost`, 25, ({ hostCall }) => hostCall.plughost),
  ]
}

async function gateways(): Promise<readonly Row[]> {
  const { skip } = needing('smtp-source')
  if (skip !== false) {
    process.stderr.write(`without the whole gateway: ${skip}\n`)
    return []
  }
  const checkouts = [HERE, ...(options.against === undefined ? [] : [options.against])]
  const found: Row[] = []
  for (const [name, load] of LOADS) {
    const rates = new Map<string, Rate[]>(checkouts.map((root) => [root, []]))
    for (let round = 0; round < (part > 1 ? 1 : ROUNDS); round++)
      for (const [root, of] of rates)
        of.push(await measureGateway(root, { ...load, messages: load.messages / part }))
    for (const [root, of] of rates) found.push(...gatewayRows(root === HERE ? name : `${name} (${root})`, of))
  }
  return found
}

function gatewayRows(name: string, rates: readonly Rate[]): readonly Row[] {
  const cpu = median(rates.map(({ cpuMsPerMessage }) => cpuMsPerMessage))
  const rate = median(rates.map(({ perSecond }) => perSecond))
  return [
    { what: `${name}: a message`, value: cpu, unit: 'ms CPU', goal: null },
    { what: `${name}: messages`, value: rate, unit: '/s', goal: null },
  ]
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

function print(found: readonly Row[]): void {
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`
  if (options.json === true) return void process.stdout.write(`${JSON.stringify({ machine, rows: found })}\n`)
  const width = Math.max(...found.map(({ what }) => what.length))
  const lines = found.map(({ what, value, unit, goal }) => {
    const shown = value >= 100 ? value.toFixed(0) : value.toPrecision(3)
    return `${what.padEnd(width)}  ${shown.padStart(7)} ${unit}${goal === null ? '' : `  (goal ${goal})`}`
  })
  process.stdout.write(`${machine}\n\n${lines.join('\n')}\n`)
}
