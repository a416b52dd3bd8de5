/**
 * Programs of others that we are tested against: in PATH, or in the folder POSTERN_PEERS, where Debian packages were
 * unpacked without being installed. Tests that miss one are skipped and say so; POSTERN_REQUIRE=peers makes them fail.
 */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, globSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { ProcessGroup } from './process-group.ts'

const FOLDERS = ['usr/sbin', 'usr/bin', 'sbin', 'bin']
/** Where programs of system administration are that a user's PATH may not have. */
const SYSTEM = ['/usr/sbin', '/sbin']

const peers = process.env['POSTERN_PEERS'] ?? ''
const isRequired = (process.env['POSTERN_REQUIRE'] ?? '').split(',').includes('peers')

/** Options of a test that needs these programs. */
export function needing(...names: readonly string[]): { readonly skip: string | false } {
  const missing = names.filter((name) => find(name) === null)
  return {
    skip: missing.length > 0 && !isRequired && `not found in PATH or POSTERN_PEERS: ${missing.join(', ')}`,
  }
}

/** Options of a test that needs perl and these modules of it. */
export function needingPerl(...modules: readonly string[]): { readonly skip: string | false } {
  const missing = modules.filter((name) => spawnSync('perl', [`-M${name}`, '-e', '1']).status !== 0)
  return { skip: missing.length > 0 && !isRequired && `perl does not have: ${missing.join(', ')}` }
}

/** Starts one of them. @throws Error when it is missing */
export function startPeer(
  name: string,
  args: readonly string[],
  cwd = '/',
  env: NodeJS.ProcessEnv = {},
): ProcessGroup {
  const program = find(name)
  if (program === null) throw new Error(`${name} was found neither in PATH nor in POSTERN_PEERS (${peers})`)
  return ProcessGroup.start(program, args, {
    cwd,
    env: { LD_LIBRARY_PATH: libraries(), PATH: programs().join(delimiter), ...env },
  })
}

/** Where something was unpacked that belongs to a program; null where its package is installed. */
export function peerFile(path: string): string | null {
  return peers !== '' && existsSync(join(peers, path)) ? join(peers, path) : null
}

function find(name: string): string | null {
  return (
    programs()
      .map((folder) => join(folder, name))
      .find(isExecutable) ?? null
  )
}

/** Where they are looked for, and look for one another. */
function programs(): readonly string[] {
  const unpacked = peers === '' ? [] : FOLDERS.map((folder) => join(peers, folder))
  return [...unpacked, ...(process.env['PATH'] ?? '').split(delimiter), ...SYSTEM]
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Shared libraries of what was unpacked. */
function libraries(): string {
  if (peers === '') return process.env['LD_LIBRARY_PATH'] ?? ''
  const folders = globSync(['usr/lib', 'usr/lib/*-linux-*', 'usr/lib/postfix', 'lib/*-linux-*'], {
    cwd: peers,
  })
  return folders.map((folder) => join(peers, folder)).join(':')
}
