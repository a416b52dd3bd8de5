/**
 * Programs that attack the sandbox, each as the body of a `rcpt` hook under the default limits. They are no part of the
 * project: POSTERN_HOSTILE names a JSON file of `{ name, source }`, where `source` assigns a function to `f` and perhaps
 * another, called afterwards, to `g`; `host(x)` in it is a call of a tool.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { bundledPlugin, fixturePlugin, type TestSandbox, testSandbox } from '../support/sandbox.ts'
import { TemporaryFolder } from '../support/temporary-folder.ts'

interface Case {
  readonly name: string
  readonly source: string
}

const FILE = process.env['POSTERN_HOSTILE']
const SESSIONS = 20
const VERDICT_MS = 2_000
const NEIGHBOUR_MS = 500
/** 192 MiB and 8 for each of 8 plugins; one look of the watch may come late. */
const CAP_BYTES = 256 * 1024 * 1024
const BETWEEN_LOOKS = 1.5

const cases: readonly Case[] = FILE === undefined ? [] : JSON.parse(readFileSync(FILE, 'utf8'))
const table: string[] = []

test('hostile programs', {
  skip: FILE === undefined && 'POSTERN_HOSTILE names no file of programs',
}, async (t) => {
  assert.ok(cases.length > 0)
  for (const one of cases) await t.test(one.name, (inner) => attack(inner, one))
  for (const row of table) t.diagnostic(row)
})

function pluginOf({ source }: Case): string {
  return `import { definePlugin } from 'postern'
export default definePlugin({
  name: 'hostile', version: '1.0.0', api: 1, permissions: { kv: ['hostile:*'] },
  hooks: {
    rcpt({ localPart }, { kv }) {
      if (localPart !== 'attack') return
      const host = (x) => kv.set('hostile:x', x, { ttlSeconds: 60 })
      let f, g
      ${source}
      const said = f()
      return g === undefined ? said : g()
    },
  },
})
`
}

async function attack(t: TestContext, one: Case): Promise<void> {
  await using folder = await TemporaryFolder.make()
  const path = join(folder.path, 'hostile.ts')
  writeFileSync(path, pluginOf(one))
  const sandbox = await testSandbox([
    bundledPlugin('relay-control'),
    fixturePlugin('hostile', { source: { kind: 'file', path } }),
    bundledPlugin('routing'),
  ])
  t.after(() => sandbox.close())
  const neighbours = new Neighbours(sandbox)
  const memory = watchMemory(sandbox)
  await wait(50)
  const startedAt = performance.now()
  const reports = await sandbox.rcpt('attack', 0, '203.0.113.1')
  const verdictMs = performance.now() - startedAt
  const rssBytes = memory()
  const { slowestMs, wrong } = await neighbours.stop()
  const { plugin, fault } = reports.find((report) => report.fault !== null) ?? {}
  const kind = fault?.kind ?? 'answered'
  const row = [
    one.name,
    `${Math.round(verdictMs)} ms`,
    kind,
    `${Math.round(slowestMs)} ms`,
    `${Math.round(rssBytes / 2 ** 20)} MiB`,
  ]
  table.push(row.join(' | '))
  assert.ok(verdictMs < VERDICT_MS, `verdict after ${verdictMs} ms`)
  assert.ok(slowestMs < NEIGHBOUR_MS, `a neighbour waited ${slowestMs} ms`)
  assert.deepEqual(wrong, [])
  assert.ok(rssBytes < CAP_BYTES * BETWEEN_LOOKS, `${rssBytes} octets`)
  if (fault !== undefined && fault !== null) assert.equal(plugin?.name, 'hostile')
  for (const { event, fields } of sandbox.logged)
    if (event === 'plughost-died') assert.equal(fields['plugin'], 'hostile')
  const after = await sandbox.rcpt('well')
  assert.deepEqual(
    after.map((report) => report.fault),
    after.map(() => null),
  )
}

/** Sessions that ask the other plugins all the while. */
class Neighbours {
  readonly #sandbox: TestSandbox
  readonly #sessions: readonly Promise<void>[]
  #isOver = false
  #slowestMs = 0
  readonly #wrong: unknown[] = []

  constructor(sandbox: TestSandbox) {
    this.#sandbox = sandbox
    this.#sessions = Array.from({ length: SESSIONS }, (_, index) => this.#talk(`198.51.100.${index + 1}`))
  }

  async #talk(network: string): Promise<void> {
    while (!this.#isOver) {
      const startedAt = performance.now()
      const [first] = await this.#sandbox.rcpt('well', 0, network, 1)
      this.#slowestMs = Math.max(this.#slowestMs, performance.now() - startedAt)
      const isRight =
        first?.fault === null && first.answer?.actions.some(({ kind }) => kind === 'relay.grant')
      if (isRight !== true) this.#wrong.push(first)
      await wait(10)
    }
  }

  async stop(): Promise<{ readonly slowestMs: number; readonly wrong: readonly unknown[] }> {
    this.#isOver = true
    await Promise.all(this.#sessions)
    return { slowestMs: this.#slowestMs, wrong: this.#wrong }
  }
}

/** Largest memory of the hostile plughost from now until it is called. */
function watchMemory(sandbox: TestSandbox): () => number {
  const pid = sandbox.pidOf('hostile')
  let largest = 0
  const timer = setInterval(() => {
    try {
      const pages = Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1])
      largest = Math.max(largest, pages * 4096)
    } catch {
      // It is dead.
    }
  }, 10)
  return () => {
    clearInterval(timer)
    return largest
  }
}
