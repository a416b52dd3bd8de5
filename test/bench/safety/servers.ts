/** The servers that are compared, each with a neighbour that blocks `blocked@` and a plugin that does one deed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { Gateway } from '../../support/gateway.ts'
import { RawClient } from '../../support/raw-client.ts'
import { TemporaryFolder } from '../../support/temporary-folder.ts'
import { until } from '../../support/until.ts'
import type { Deed } from './deeds.ts'

export interface Server extends AsyncDisposable {
  readonly port: number
  /** Whether it still accepts connections. */
  isThere(): Promise<boolean>
}

export async function postern(deed: Deed): Promise<Server> {
  const folder = await TemporaryFolder.make()
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder.path, name), text)
    return join(folder.path, name)
  }
  const evil = file(
    'evil.ts',
    `// @ts-nocheck
import { definePlugin, reject } from 'postern'
const deed = (session, kv) => { ${deed.postern} }
export default definePlugin({
  name: 'evil', version: '1.0.0', api: 1, permissions: { refuse: ['reject'], kv: ['evil:*'] },
  hooks: {
    mail: ({ session, transaction }, { kv }) =>
      ${deed.hook === 'mail'} && transaction.reversePath.startsWith('evil@') ? deed(session, kv) : undefined,
    data: ({ session, transaction }, { kv }) =>
      ${deed.hook === 'data'} && transaction.reversePath.startsWith('evil@') ? deed(session, kv) : undefined,
  },
})
`,
  )
  const good = file(
    'good.ts',
    `// @ts-nocheck
import { definePlugin, reject } from 'postern'
globalThis.secret = 'the secret of a neighbour'
globalThis.isBlocked = (localPart) => localPart === 'blocked'
export default definePlugin({
  name: 'good', version: '1.0.0', api: 1, permissions: { refuse: ['reject'] },
  hooks: { rcpt: ({ localPart }) => (globalThis.isBlocked(localPart) ? reject('5.7.1', 'Blocked') : undefined) },
})
`,
  )
  const gateway = await Gateway.start({
    limits: 'off',
    domains: { 'bench.test': { deliver: 'discard:' } },
    plugins: [{ name: 'relay-control' }, { path: evil }, { path: good }, { name: 'routing' }],
  })
  return {
    port: gateway.port,
    isThere: () => accepts(gateway.port),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}

/** @param home a folder whose node_modules has Haraka */
export async function haraka(deed: Deed, home: string): Promise<Server> {
  const folder = await TemporaryFolder.make()
  const port = await freePort()
  const write = (name: string, text: string): void => writeFileSync(join(folder.path, name), text)
  for (const name of ['config', 'plugins', 'queue']) mkdirSync(join(folder.path, name))
  write('config/me', 'haraka.bench.test\n')
  write('config/host_list', 'bench.test\n')
  write('config/smtp.ini', `listen=127.0.0.1:${port}\nnodes=1\n`)
  write('config/log.ini', '[main]\nlevel=crit\n')
  // Without this file it ends at the first connection.
  write('config/connection.ini', '[main]\n[haproxy]\n[headers]\n[max]\nbytes=52428800\n[message]\n[uuid]\n')
  write('config/plugin_timeout', '3\n')
  write('config/plugins', 'evil\ngood\nrcpt_to.in_host_list\nqueue/discard\n')
  write(
    'plugins/evil.js',
    `const deed = function (next, connection) { ${deed.haraka} }
const isEvil = (connection) => connection.transaction.mail_from.user === 'evil'
exports.hook_mail = function (next, connection) { ${deed.hook === 'mail'} && isEvil(connection) ? deed(next, connection) : next() }
exports.hook_data_post = function (next, connection) { ${deed.hook === 'data'} && isEvil(connection) ? deed(next, connection) : next() }
`,
  )
  write(
    'plugins/good.js',
    `exports.secret = 'the secret of a neighbour'
exports.isBlocked = (user) => user === 'blocked'
exports.hook_rcpt = function (next, connection, params) { this.isBlocked(params[0].user) ? next(DENY, 'Blocked') : next() }
`,
  )
  symlinkSync(join(home, 'node_modules'), join(folder.path, 'node_modules'))
  const child = spawn(
    process.execPath,
    ['--max-old-space-size=200', join(home, 'node_modules', 'Haraka', 'bin', 'haraka'), '-c', folder.path],
    {
      detached: true,
      stdio: 'ignore',
      env: { ...process.env, YES_REALLY_DO_DISCARD: '1', NODE_OPTIONS: '--max-old-space-size=200' },
    },
  )
  // The first process listens before there is anybody to greet.
  await until(() => greets(port), 'Haraka to greet')
  return {
    port,
    isThere: () => accepts(port),
    async [Symbol.asyncDispose]() {
      endGroup(child)
      await until(async () => !(await accepts(port)), 'the end of Haraka')
      rmSync(folder.path, { recursive: true, force: true })
    },
  }
}

function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended itself.
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

async function greets(port: number): Promise<boolean> {
  try {
    using client = await RawClient.connect({ port, patienceMs: 1_000 })
    return (await client.reply()).startsWith('220')
  } catch {
    return false
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
