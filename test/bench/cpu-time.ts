/** CPU time of processes, as Linux tells it: user and system, every thread, in milliseconds. */
import { readdirSync, readFileSync } from 'node:fs'

/** Of one clock tick (USER_HZ): the same on every architecture Linux shows to programs. */
const TICK_MS = 10

/** @throws when there is no such process */
export function cpuMsOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  // The name in brackets may hold anything; behind it utime and stime are the 12th and 13th field.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS
}

/** The process itself and everything it started that still runs. */
export function treeOf(pid: number): readonly number[] {
  const threads = readdirSync(`/proc/${pid}/task`)
  const children = threads.flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1').split(' ').filter(Boolean).map(Number),
  )
  return [pid, ...children.flatMap(treeOf)]
}
