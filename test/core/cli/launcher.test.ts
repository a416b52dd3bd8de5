import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Script } from 'node:vm'
import { type Ended, ended, LAUNCHER, postern, ROOT } from './child.ts'
import { temporaryFolder } from './fake-gateway.ts'

const SYSTEM_NODE = '/usr/bin/node'
const systemVersion = existsSync(SYSTEM_NODE)
  ? execFileSync(SYSTEM_NODE, ['-p', 'process.versions.node'], { encoding: 'utf8' }).trim()
  : null
const isOld = systemVersion !== null && Number(systemVersion.split('.')[0]) < 24
const needsOldNode = { skip: !isOld && 'this machine has no Node older than 24' }
const VERSION = /^postern \d+\.\d+\.\d+\n$/

/** A preload that makes this Node say it is an old one, once: the next Node is itself again. */
async function oldVersion(t: TestContext, version: string): Promise<string> {
  const file = join(await temporaryFolder(t), 'old.cjs')
  await writeFile(
    file,
    `if (!process.env.WAS_OLD) {
      process.env.WAS_OLD = '1'
      Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })
    }`,
  )
  return file
}

/** A package with nothing in it but the launcher and an entry that says and does what `entry` is. */
async function barePackage(t: TestContext, entry: string | null): Promise<string> {
  const folder = await temporaryFolder(t)
  await mkdir(join(folder, 'bin'))
  await mkdir(join(folder, 'core'))
  await copyFile(LAUNCHER, join(folder, 'bin', 'postern.cjs'))
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  if (entry !== null) await writeFile(join(folder, 'core', 'main.ts'), entry)
  return folder
}

function launch(folder: string, args: readonly string[] = [], node = process.execPath): Promise<Ended> {
  return postern(args, { node, file: join(folder, 'bin', 'postern.cjs'), cwd: folder })
}

test('the launcher is written in syntax that every Node reads', () => {
  const source = readFileSync(LAUNCHER, 'utf8')
  assert.doesNotThrow(() => new Script(source.replace(/^#!.*/, '')))
  const code = source.replace(/\/\*[\s\S]*?\*\/|\/\/.*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g, '""')
  for (const modern of [
    /=>/,
    /\bconst\b/,
    /\blet\b/,
    /`/,
    /\bclass\b/,
    /\basync\b/,
    /\?\./,
    /\?\?/,
    /\.\.\./,
    /\bimport\b/,
  ])
    assert.doesNotMatch(code, modern)
})

test('a new Node runs the program in the same process, without a warning', async () => {
  const { code, stdout, stderr } = await postern(['--version'])
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
  assert.match(stdout, VERSION)
})

test('an old Node hands over to the one of the package', needsOldNode, async () => {
  const { code, stdout, stderr } = await postern(['--version'], { node: SYSTEM_NODE })
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
  assert.match(stdout, VERSION)
})

test('an old Node passes exit codes on', needsOldNode, async () => {
  assert.equal((await postern(['nonsense'], { node: SYSTEM_NODE })).code, 2)
})

test('a Node that can be replaced leaves no process in between', async (t) => {
  const folder = await barePackage(t, 'console.log(process.pid, process.argv.slice(2).join())')
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  const preload = await oldVersion(t, '22.15.0')
  const child = spawn(process.execPath, ['-r', preload, join(folder, 'bin', 'postern.cjs'), 'a', 'b'])
  const { code, stdout, stderr } = await ended(child)
  assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: `${child.pid} a,b\n`, stderr: '' })
})

test('without any Node new enough one sentence says what to install', async (t) => {
  const folder = await barePackage(t, null)
  const preload = await oldVersion(t, '24.11.1')
  const child = spawn(process.execPath, ['-r', preload, join(folder, 'bin', 'postern.cjs'), 'start'])
  const { code, stdout, stderr } = await ended(child)
  assert.deepEqual({ code, stdout }, { code: 1, stdout: '' })
  assert.match(
    stderr,
    /^Postern needs Node\.js 24\.12 or newer; this is 24\.11\.1\. Install it from [^\n]*\n$/,
  )
})

test('the Node of this machine, too old and alone, says the same', needsOldNode, async (t) => {
  const { code, stderr } = await launch(await barePackage(t, null), ['start'], SYSTEM_NODE)
  assert.equal(code, 1)
  assert.ok(stderr.startsWith(`Postern needs Node.js 24.12 or newer; this is ${systemVersion}. Install it`))
})

test('a Node beside the package that does not run is passed over', needsOldNode, async (t) => {
  const folder = await barePackage(t, null)
  const bin = join(folder, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin')
  await mkdir(bin, { recursive: true })
  await writeFile(join(bin, 'node'), 'not a program', { mode: 0o755 })
  assert.match((await launch(folder, [], SYSTEM_NODE)).stderr, /^Postern needs Node\.js/)
})

test('a Node hoisted above the package is found', needsOldNode, async (t) => {
  const above = await temporaryFolder(t)
  const name = `node-${process.platform}-${process.arch}`
  await mkdir(join(above, 'node_modules', 'postern', 'bin'), { recursive: true })
  await symlink(join(ROOT, 'node_modules', name), join(above, 'node_modules', name))
  const folder = join(above, 'node_modules', 'postern')
  await copyFile(LAUNCHER, join(folder, 'bin', 'postern.cjs'))
  await mkdir(join(folder, 'dist', 'core'), { recursive: true })
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  await writeFile(join(folder, 'dist', 'core', 'main.js'), 'console.log("built", process.versions.node)')
  const { stdout } = await launch(folder, [], SYSTEM_NODE)
  assert.match(stdout, /^built 2[4-9]\./)
})

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const) {
  test(
    `${signal} reaches the program through an old Node, once, and its exit code comes back`,
    needsOldNode,
    async (t) => {
      const entry = `
      let count = 0
      process.on('${signal}', () => { count++; setTimeout(() => process.exit(40 + count), 200) })
      setInterval(() => {}, 1000)
      console.log('ready')`
      const folder = await barePackage(t, entry)
      await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
      const child = spawn(SYSTEM_NODE, [join(folder, 'bin', 'postern.cjs')], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      child.stdout.once('data', () => child.kill(signal))
      const { code, signal: by } = await ended(child)
      assert.deepEqual({ code, by }, { code: 41, by: null })
    },
  )
}

test(
  'a program that dies by a signal takes the old Node with it by the same signal',
  needsOldNode,
  async (t) => {
    const folder = await barePackage(t, `process.kill(process.pid, 'SIGKILL'); setInterval(() => {}, 1000)`)
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    const { code, signal } = await launch(folder, [], SYSTEM_NODE)
    assert.deepEqual({ code, signal }, { code: null, signal: 'SIGKILL' })
  },
)

test(
  'a program that dies by SIGTERM takes the old Node with it although that one listens for it',
  needsOldNode,
  async (t) => {
    const folder = await barePackage(t, `process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000)`)
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    assert.equal((await launch(folder, [], SYSTEM_NODE)).signal, 'SIGTERM')
  },
)

test('warnings about stripping types and SQLite are not printed, others are', async (t) => {
  const entry = `
    import { stripTypeScriptTypes } from 'node:module'
    import { DatabaseSync } from 'node:sqlite'
    new DatabaseSync(':memory:').close()
    stripTypeScriptTypes('const a: number = 1')
    process.emitWarning('mind this', 'ExperimentalWarning')
    process.emitWarning(new Error('and that'))`
  const { stderr } = await launch(await barePackage(t, entry))
  assert.match(stderr, /mind this/)
  assert.match(stderr, /and that/)
  assert.doesNotMatch(stderr, /strip|SQLite/i)
})

test('packages that were never installed are a sentence, not a stack', async (t) => {
  const { code, stderr } = await launch(await barePackage(t, `import 'no-such-package-anywhere'`))
  assert.equal(code, 1)
  assert.match(stderr, /^Postern's packages are not installed; run `npm ci` in [^\n]*\n$/)
})
