/**
 * How the gateway bears what a port that is open to everybody meets. Not a test:
 * `npm run bench:open -- [crowd] [idle] [large] [dots] [latency] [--json] [--quick]`, all of them without a name.
 */
import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { crowdRows } from './open-port/crowd.ts'
import { dotsRows } from './open-port/dots.ts'
import { idleRows } from './open-port/idle.ts'
import { largeRows } from './open-port/large.ts'
import { latencyRows } from './open-port/latency.ts'
import type { Row } from './open-port/row.ts'

const BENCHES: Readonly<Record<string, (isQuick: boolean) => Promise<readonly Row[]>>> = {
  crowd: crowdRows,
  idle: idleRows,
  large: largeRows,
  dots: dotsRows,
  latency: latencyRows,
}

const { values: options, positionals } = parseArgs({
  options: { json: { type: 'boolean' }, quick: { type: 'boolean' } },
  allowPositionals: true,
})
const names = positionals.length > 0 ? positionals : Object.keys(BENCHES)
const unknown = names.find((name) => !Object.hasOwn(BENCHES, name))
if (unknown !== undefined)
  throw new Error(`no bench ${unknown}; there are ${Object.keys(BENCHES).join(', ')}`)

const rows: Row[] = []
for (const name of names) rows.push(...((await BENCHES[name]?.(options.quick === true)) ?? []))
print()

function print(): void {
  const load = loadavg()[0]?.toFixed(1)
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}, load average ${load}`
  if (options.json === true) return void process.stdout.write(`${JSON.stringify({ machine, rows })}\n`)
  const width = Math.max(...rows.map(({ what }) => what.length))
  const lines = rows.map(({ what, value, unit, goal }) => {
    const shown = value >= 100 ? value.toFixed(0) : value.toPrecision(3)
    const verdict = goal === null ? '' : `  (goal ${goal}${value > goal ? ', missed' : ''})`
    return `${what.padEnd(width)}  ${shown.padStart(7)} ${unit}${verdict}`
  })
  process.stdout.write(`${machine}\n\n${lines.join('\n')}\n`)
}
