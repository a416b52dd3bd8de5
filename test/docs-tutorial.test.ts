/**
 * docs/tutorial.md, done as it says: files are written, commands are run, and what it shows is what is shown. A file is
 * a block behind a line with nothing but its path; `shows` lists parts of what the commands before it print.
 */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { freePort } from './support/free-port.ts'
import { ProcessGroup } from './support/process-group.ts'
import { TemporaryFolder } from './support/temporary-folder.ts'
import { until } from './support/until.ts'

const ROOT = join(import.meta.dirname, '..')
const TSC = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
const LAUNCHER = join(ROOT, 'bin', 'postern.cjs')
/** Ten times what the slowest command takes. */
const COMMAND_MS = 60_000

interface Step {
  readonly kind: 'file' | 'run' | 'shows'
  /** Path of a file. */
  readonly path: string
  readonly text: string
}

let folder: TemporaryFolder
let port: number
const background: ProcessGroup[] = []
before(async () => {
  folder = await TemporaryFolder.make()
  port = await freePort()
})
after(async () => {
  await Promise.all(background.map((group) => group.kill()))
  await folder?.[Symbol.asyncDispose]()
})

function steps(): readonly Step[] {
  const page = readFileSync(join(ROOT, 'docs', 'tutorial.md'), 'utf8').replaceAll(
    '127.0.0.1:2525',
    `127.0.0.1:${port}`,
  )
  const blocks = page.matchAll(/(?:^`([^`\n]+)`\n\n)?^```(\w+)\n([\s\S]*?)^```$/gm)
  return [...blocks].flatMap(([, path, language, text = '']): Step[] => {
    if (path !== undefined) return [{ kind: 'file', path, text }]
    if (language === 'sh') return [{ kind: 'run', path: '', text }]
    return language === 'shows' ? [{ kind: 'shows', path: '', text }] : []
  })
}

/** Runs the lines of a block; those that end in `&` go on. @returns what they print */
async function run(text: string): Promise<() => string> {
  const groups: ProcessGroup[] = []
  for (const line of text.trim().split('\n')) {
    const [program, ...args] = line.replace(/ &$/, '').split(' ')
    assert.equal(program, 'postern', line)
    const group = ProcessGroup.start(process.execPath, [LAUNCHER, ...args], {
      cwd: folder.path,
      // Node tells the tests it runs that they are run by it; a reader's shell does not.
      env: { NODE_TEST_CONTEXT: undefined },
    })
    groups.push(group)
    if (line.endsWith(' &')) background.push(group)
    else await group.end(COMMAND_MS)
  }
  return () => groups.map(({ stdout, stderr }) => `${stdout}${stderr}`).join('\n')
}

/** Whether a line is printed; … stands for anything. */
function isShown(line: string, output: string): boolean {
  const parts = line.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(parts.join('.*')).test(output)
}

test('the tutorial does what it says', async () => {
  let printed = (): string => ''
  const kinds = { file: 0, run: 0, shows: 0 }
  for (const { kind, path, text } of steps()) {
    kinds[kind]++
    if (kind === 'file') {
      mkdirSync(dirname(join(folder.path, path)), { recursive: true })
      writeFileSync(join(folder.path, path), text)
    } else if (kind === 'run') printed = await run(text)
    else
      for (const line of text.trimEnd().split('\n'))
        await until(() => isShown(line, printed()), `"${line}" in:\n${printed()}`)
  }
  assert.deepEqual(kinds, { file: 4, run: 6, shows: 6 })
})

test('the plugin of the tutorial has no mistake of types', async () => {
  const project = join(folder.path, 'plugins', 'expiring-address')
  const group = ProcessGroup.start(process.execPath, [TSC, '-p', project])
  const { code, stdout } = await group.end(COMMAND_MS)
  assert.equal(code, 0, stdout)
})
