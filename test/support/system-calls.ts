/** System calls of a running process, as strace saw them: who wrote what where, and what had ended before what began. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startPeer } from './peer-programs.ts'
import { TemporaryFolder } from './temporary-folder.ts'
import { until } from './until.ts'

export interface SystemCall {
  readonly name: string
  /** What its file descriptor stands for: a path, or `TCP:[…]`. The path it was given where it has none. */
  readonly target: string
  /** The arguments, control characters as escapes. */
  readonly text: string
  /** Places in the trace. */
  readonly begunAt: number
  readonly endedAt: number
  readonly result: number
}

const CALLS = 'write,writev,pwrite64,pwritev,fsync,fdatasync,sendto,sendmsg,mkdir'
/** Longest text shown of an argument: more than a page of the database. */
const SHOWN = '70000'
const LINE = /^(\d+) +(.*)$/
const BEGUN = /^(\w+)\((.*) <unfinished \.\.\.>$/s
const RESUMED = /^<\.\.\. (\w+) resumed>(.*)\) += (-?\d+)/s
const WHOLE = /^(\w+)\((.*)\) += (-?\d+)/s

/** What every thread of a process does while `act` runs. */
export async function traced(pid: number, act: () => Promise<void>): Promise<readonly SystemCall[]> {
  await using folder = await TemporaryFolder.make()
  const file = join(folder.path, 'trace')
  const args = ['-f', '-yy', '-s', SHOWN, '-e', `trace=${CALLS}`, '-o', file, '-p', String(pid)]
  await using strace = startPeer('strace', args)
  await until(() => strace.ended !== null || strace.stderr.includes(' attached'), 'strace to attach')
  if (strace.ended !== null) throw new Error(`strace did not attach: ${strace.stderr}`)
  await act()
  strace.signal('SIGTERM')
  await strace.end()
  return parseTrace(await readFile(file, 'latin1'))
}

/** Calls in the order they began. A call another thread interrupted stands on two lines. */
export function parseTrace(trace: string): readonly SystemCall[] {
  const calls: SystemCall[] = []
  const begun = new Map<string, { readonly at: number; readonly text: string }>()
  for (const [at, line] of trace.split('\n').entries()) {
    const [, thread = '', rest = ''] = LINE.exec(line) ?? []
    const started = BEGUN.exec(rest)
    if (started !== null) {
      begun.set(thread, { at, text: started[2] ?? '' })
      continue
    }
    const resumed = RESUMED.exec(rest)
    const before = resumed === null ? undefined : begun.get(thread)
    const [, name, text = '', result] = resumed ?? WHOLE.exec(rest) ?? []
    if (name === undefined) continue
    const whole = `${before?.text ?? ''}${text}`
    const target = (/^\d+<(.*?)>(?:,|$)/s.exec(whole) ?? /^"(.*?)"/s.exec(whole))?.[1] ?? ''
    calls.push({ name, target, text: whole, begunAt: before?.at ?? at, endedAt: at, result: Number(result) })
  }
  return calls.toSorted((a, b) => a.begunAt - b.begunAt)
}
