/** Starting a plughost: hardened as far as the system lets us, with its own code handed over ready to run. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { withoutTypes } from './compile.ts'
import { hardening, plughostFiles } from './hardening.ts'

export interface PlughostProgram {
  /** Without the JIT compiler a whole class of holes is gone, and loops over bytes are many times slower. */
  readonly jit: boolean
  /** Only tests have another: a module that is run in the place of the real plughost. */
  readonly entry?: string
}

const ENTRY = join(import.meta.dirname, 'host', 'start.js')
/** Folders whose modules run in a plughost. */
const FOLDERS = ['host', 'protocol']

let sourcesFile: number | null = null

/** What this system does not offer and a hardened plughost would use; said at start. */
export function missingHardening(): readonly string[] {
  return hardening(plughostFiles(ENTRY)).missing
}

/** @throws when no process can be made; some reasons are told later, as its `error` */
export function startPlughost({ jit, entry = ENTRY }: PlughostProgram, breadcrumb: number): ChildProcess {
  const node = [process.execPath, '--no-node-snapshot', ...(jit ? [] : ['--jitless']), entry]
  const [command, ...args] = [...hardening(plughostFiles(ENTRY)).wrapper, ...node]
  sourcesFile ??= openSources()
  return spawn(command as string, args, {
    stdio: [sourcesFile, 'ignore', 'pipe', 'pipe', breadcrumb],
    // Nothing of the gateway's environment, its cache of compiled code neither: who writes there runs code here.
    env: {},
    cwd: '/',
  })
}

/** The modules of a plughost as JavaScript by URL, in a file without a name. @throws an error of the file system */
function openSources(): number {
  const sources = FOLDERS.flatMap((name) => {
    const folder = join(import.meta.dirname, name)
    return readdirSync(folder)
      .filter((file) => file.endsWith('.ts'))
      .map((file) => moduleSource(join(folder, file)))
  })
  const folder = mkdtempSync(join(tmpdir(), 'postern-'))
  try {
    const file = join(folder, 'sources')
    writeFileSync(file, JSON.stringify(Object.fromEntries(sources)), { mode: 0o600 })
    return openSync(file, 'r')
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function moduleSource(file: string): readonly [string, string] {
  const code = withoutTypes(readFileSync(file, 'utf8'), file)
  if (typeof code !== 'string') throw new Error(code.message)
  return [pathToFileURL(file).href, code]
}
