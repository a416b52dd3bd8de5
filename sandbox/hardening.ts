/**
 * What this system offers to shut a plughost in, found out once by trying it: a user of its own, no network, no way to
 * more privileges, death with the worker. What is not to be had is said at start; plughosts run without it.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

export interface Hardening {
  /** Words before the command of a plughost, each program replacing itself by the next: the process id stays. */
  readonly wrapper: readonly string[]
  /** What is missing, and what follows from that. */
  readonly missing: readonly string[]
}

/** The user and group called nobody on Linux: they own nothing. */
const NOBODY = '65534'
const PROBE_MS = 5_000

const SETPRIV = programAt('setpriv')
const UNSHARE = programAt('unshare')

let known: Hardening | null = null

/**
 * @param files what a plughost reads when it starts, and so must be readable for a user of its own
 * @throws when nothing can be tried just now
 */
export function hardening(files: readonly string[]): Hardening {
  known ??= detected(files)
  return known
}

/** Everything a plughost reads from files: its entry, and the one native module it has. */
export function plughostFiles(entry: string): readonly string[] {
  const isolatedVm = dirname(createRequire(import.meta.url).resolve('isolated-vm'))
  const prebuilt = join(isolatedVm, 'prebuilds', `${process.platform}-${process.arch}`)
  const native = existsSync(prebuilt) ? readdirSync(prebuilt).map((name) => join(prebuilt, name)) : []
  return [entry, join(isolatedVm, 'isolated-vm.js'), ...native]
}

function detected(files: readonly string[]): Hardening {
  return hasProc() && everythingWorks(files) ? EVERYTHING : triedOneByOne(files)
}

/** Whoever is root only inside a user namespace has no other user to become. */
const USER = ['--reuid', NOBODY, '--regid', NOBODY, '--clear-groups']
const PRIVILEGES = SETPRIV === null ? [] : [SETPRIV, '--no-new-privs', '--pdeathsig', 'KILL']
const READABLE = ['--', 'sh', '-c', '[ -x "$0" ] && for file; do [ -r "$file" ] || exit 1; done']
const OWN_NETWORK = UNSHARE === null ? [] : [UNSHARE, '-n', '--']
const EVERYTHING: Hardening = { wrapper: [...OWN_NETWORK, ...PRIVILEGES, ...USER, '--'], missing: [] }

/** Where it is all there, one process finds that out. */
function everythingWorks(files: readonly string[]): boolean {
  if (!isRoot() || SETPRIV === null || UNSHARE === null) return false
  return works([...OWN_NETWORK, ...PRIVILEGES, ...USER, ...READABLE, process.execPath, ...files])
}

function triedOneByOne(files: readonly string[]): Hardening {
  const network = firstThatWorks(UNSHARE === null ? [] : [OWN_NETWORK, [UNSHARE, '-U', '-n', '--']], ['true'])
  const privileges = firstThatWorks(SETPRIV === null ? [] : [PRIVILEGES], ['--', 'true'])
  const becomesNobody =
    isRoot() &&
    privileges !== null &&
    network?.[1] !== '-U' &&
    works([...(network ?? []), ...privileges, ...USER, ...READABLE, process.execPath, ...files])
  return {
    wrapper: [
      ...(network ?? []),
      ...(privileges === null ? [] : [...privileges, ...(becomesNobody ? USER : []), '--']),
    ],
    missing: [
      ...(privileges === null ? ['setpriv (a plughost that hangs may outlive a killed gateway)'] : []),
      ...(becomesNobody
        ? []
        : [`a user of its own for a plughost (${isRoot() ? NO_NOBODY : 'not started as root'})`]),
      ...(network === null ? ['unshare -n (a plughost could reach the network)'] : []),
      ...(hasProc() ? [] : ['/proc (the memory of a plughost is not bounded)']),
    ],
  }
}

function isRoot(): boolean {
  return process.getuid?.() === 0
}

function hasProc(): boolean {
  return existsSync('/proc/self/statm')
}

const NO_NOBODY = 'the user nobody cannot be taken, or cannot read this installation'

function firstThatWorks(
  wrappers: readonly (readonly string[])[],
  command: readonly string[],
): readonly string[] | null {
  return wrappers.find((wrapper) => works([...wrapper, ...command])) ?? null
}

/** @throws when the system has no process to give just now: that says nothing about what it offers */
function works([program = '', ...args]: readonly string[]): boolean {
  const { status, error } = spawnSync(program, args, { stdio: 'ignore', cwd: '/', timeout: PROBE_MS })
  if (error !== undefined && (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  return status === 0
}

function programAt(name: string): string | null {
  return [`/usr/bin/${name}`, `/bin/${name}`].find((path) => existsSync(path)) ?? null
}
