/**
 * Programs that attack the sandbox, each as the body of a `rcpt` hook under the default limits, behind the real port of a
 * gateway while others talk to it. The project keeps some of them; POSTERN_HOSTILE names a JSON file of more, each
 * `{ name, source }`, where `source` assigns a function to `f` and perhaps another, called afterwards, to `g`; `host(x)`
 * in it is a call of a tool.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import type { Decision } from '../../core/admin/control.ts'
import { Gateway } from '../support/gateway.ts'
import type { RawClient } from '../support/raw-client.ts'
import { until } from '../support/until.ts'

interface Program {
  readonly name: string
  readonly source: string
}

const OWN = join(import.meta.dirname, '..', 'fixtures', 'hostile', 'programs.json')
const FILE = process.env['POSTERN_HOSTILE'] ?? OWN
const SESSIONS = 20
/** Of a neighbour between two of its recipients. */
const PAUSE_MS = 100
const VERDICT_MS = 2_000
const NEIGHBOUR_MS = 500
/** Of one whose recipient waits for the next plughost; five times what that takes here. */
const NEXT_PLUGHOST_MS = 5_000
/** 192 MiB and 8 for each of 8 plugins; one look of the watch may come late. */
const CAP_BYTES = 256 * 1024 * 1024
const BETWEEN_LOOKS = 1.5

const programs: readonly Program[] = JSON.parse(readFileSync(FILE, 'utf8'))
const table: string[] = []

function pluginOf({ source }: Program): string {
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

let gateway: Gateway
let workerPid: number
let neighbours: Neighbours
before(async () => {
  gateway = await Gateway.start({ limits: 'off', plugins: [{ name: 'relay-control' }] })
  gateway.folder.change({
    plugins: [{ name: 'relay-control' }, { path: './hostile.ts', process: 'own' }, { name: 'routing' }],
  })
  workerPid = await gateway.workerPid()
  neighbours = await Neighbours.arrive(gateway)
})
after(async () => {
  await neighbours?.leave()
  await gateway?.[Symbol.asyncDispose]()
})

test('hostile programs', async (t) => {
  assert.ok(programs.length > 0)
  for (const [index, program] of programs.entries())
    await t.test(program.name, () => attack(program, `127.0.6.${index + 1}`))
  t.diagnostic('program | kind | verdict | slowest command of a neighbour | its slowest recipient | memory')
  for (const row of table) t.diagnostic(row)
})

async function attack(program: Program, from: string): Promise<void> {
  // Another build of the plugin: what the one before it did is not held against it.
  gateway.folder.write('hostile.ts', pluginOf(program))
  const rl = await gateway.control.reload()
  assert.deepEqual(rl.problems, [])
  const { plughosts } = await gateway.worker()
  const memory = watchMemory(plughosts.find(({ plugins }) => plugins.includes('hostile'))?.pid ?? 0)
  const deathsBefore = gateway.logged('plughost-died').length
  using client = await gateway.greeted(from)
  await client.expect('250', 'MAIL FROM:<sender@client.example>')
  // What the machine makes them wait by itself is not the program's doing.
  neighbours.forget()
  await neighbours.goRound()
  const calmMs = neighbours.slowestMs
  neighbours.forget()
  const startedAt = performance.now()
  const reply = await client.ask('RCPT TO:<attack@example.test>')
  const verdictMs = performance.now() - startedAt
  await neighbours.goRound()
  const rssBytes = memory()
  const { slowestMs, slowestRcptMs, wrong } = neighbours
  const kind = reply.startsWith('451 ') ? await culprit(reply) : reply.slice(0, 3)
  const times = [verdictMs, slowestMs, slowestRcptMs].map((ms) => `${Math.round(ms)} ms`)
  table.push([program.name, kind, ...times, `${Math.round(rssBytes / 2 ** 20)} MiB`].join(' | '))
  assert.match(reply, /^(?:250 2\.1\.5 |451 4\.3\.0 )/)
  assert.ok(verdictMs < VERDICT_MS, `verdict after ${verdictMs} ms`)
  assert.ok(slowestMs < NEIGHBOUR_MS + calmMs, `a neighbour waited ${slowestMs} ms, ${calmMs} ms before`)
  assert.ok(slowestRcptMs < NEXT_PLUGHOST_MS, `a neighbour waited ${slowestRcptMs} ms for its recipient`)
  assert.deepEqual(await Promise.all(wrong.map(explained)), [])
  assert.ok(rssBytes < CAP_BYTES * BETWEEN_LOOKS, `${rssBytes} octets`)
  for (const death of gateway.logged('plughost-died').slice(deathsBefore))
    assert.equal(death['plugin'], 'hostile')
  await client.expect('250', 'RSET')
  assert.equal(await gateway.workerPid(), workerPid)
}

/** What the plugin failed with: in the record, and in a line of the log. */
async function culprit(reply: string): Promise<string> {
  const reference = referenceIn(reply)
  const failed = await failuresOf(reference)
  assert.deepEqual(
    failed.map(({ plugin, hook, reference: told }) => [plugin, hook, told]),
    [['hostile', 'rcpt', reference]],
  )
  const line = () => gateway.logged('plugin-failed').find((failure) => failure['reference'] === reference)
  await until(() => line() !== undefined, 'the line of the log')
  assert.equal(line()?.['plugin'], 'hostile')
  return failed[0]?.fault?.kind ?? ''
}

/** A reply with what it comes from, so that a failure of this test tells. */
async function explained(reply: string): Promise<string> {
  const reference = referenceIn(reply)
  const failed = (await failuresOf(reference)).find(({ reference: told }) => told === reference)
  return `${reply}: ${failed?.plugin}, ${failed?.fault?.kind}, ${failed?.fault?.message}`
}

function referenceIn(reply: string): string {
  return /\((r_[a-z]{8})\)$/.exec(reply)?.[1] ?? ''
}

async function failuresOf(reference: string): Promise<readonly Decision[]> {
  const session = await gateway.control.explain(reference)
  const decisions = (session?.entries ?? []).filter((entry): entry is Decision => 'hook' in entry)
  return decisions.filter(({ fault }) => fault !== null)
}

const ROUND: readonly (readonly [command: string, beginning: string])[] = [
  ['MAIL FROM:<sender@client.example>', '250 2.1.0 '],
  ['RCPT TO:<well@example.test>', '250 2.1.5 '],
  ['RCPT TO:<well@elsewhere.example>', '550 5.7.1 '],
  ['NOOP', '250 2.0.0 '],
  ['RSET', '250 2.0.0 '],
]

/** Sessions that ask for a recipient of ours and for one of others all the while. */
class Neighbours {
  /** Of commands that are no business of the hostile plugin's. */
  slowestMs = 0
  /** Of recipients, about whom it is asked as well: when it takes its plughost with it, they wait for the next one. */
  slowestRcptMs = 0
  wrong: string[] = []
  /** Rounds each of them has been through. */
  readonly #rounds: number[]
  readonly #clients: readonly RawClient[]
  readonly #talks: readonly Promise<void>[]
  #isOver = false

  private constructor(clients: readonly RawClient[]) {
    this.#clients = clients
    this.#rounds = clients.map(() => 0)
    this.#talks = clients.map((client, index) => this.#talk(client, index))
  }

  static async arrive(gateway: Gateway): Promise<Neighbours> {
    const clients: RawClient[] = []
    for (let i = 0; i < SESSIONS; i++) clients.push(await gateway.greeted(`127.0.7.${i + 1}`))
    return new Neighbours(clients)
  }

  /** What was so far does not count. */
  forget(): void {
    this.slowestMs = 0
    this.slowestRcptMs = 0
    this.wrong = []
  }

  /** Until each of them has heard the answers it waits for now. */
  async goRound(): Promise<void> {
    const now = [...this.#rounds]
    await until(() => this.#rounds.every((rounds, index) => rounds > (now[index] ?? 0)), 'a round')
  }

  async leave(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#talks)
    for (const client of this.#clients) client.destroy()
  }

  async #talk(client: RawClient, index: number): Promise<void> {
    while (!this.#isOver) {
      for (const [command, beginning] of ROUND) {
        const startedAt = performance.now()
        const reply = await client.ask(command)
        const tookMs = performance.now() - startedAt
        if (command.startsWith('RCPT')) this.slowestRcptMs = Math.max(this.slowestRcptMs, tookMs)
        else this.slowestMs = Math.max(this.slowestMs, tookMs)
        if (!reply.startsWith(beginning)) this.wrong.push(`${command}: ${reply}`)
      }
      this.#rounds[index] = (this.#rounds[index] ?? 0) + 1
      await wait(PAUSE_MS)
    }
  }
}

/** Largest memory of a process from now until it is called. */
function watchMemory(pid: number): () => number {
  assert.ok(pid > 0, 'the plughost is there')
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
