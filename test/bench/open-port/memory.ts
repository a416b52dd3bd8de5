/** Memory of processes, and what they wait for, as Linux tells it. */
import { readFileSync } from 'node:fs'
import { treeOf } from '../cpu-time.ts'

/** Octets of a process and of all it started: what is shared is divided among those who share it. */
export function sharedOutBytes(pid: number): number {
  return treeOf(pid).reduce((sum, one) => sum + field(`/proc/${one}/smaps_rollup`, 'Pss'), 0)
}

/** Octets of one process that are in memory now. */
export function residentBytes(pid: number): number {
  return field(`/proc/${pid}/status`, 'VmRSS')
}

/** Milliseconds the main thread of a process has been ready to run and had no processor. */
export function waitedForProcessorMs(pid: number): number {
  const [, waited] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'latin1').split(' ')
  return Number(waited) / 1e6
}

/** Files a process of ours may have open. */
export function fileLimit(): number {
  const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? []
  return Number(soft ?? Number.POSITIVE_INFINITY)
}

function field(file: string, name: string): number {
  const [, kilobytes] = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(file, 'latin1')) ?? []
  return Number(kilobytes ?? 0) * 1_024
}
