/**
 * What a misbehaving plugin does to everybody else, as a table. Not a test:
 *
 *     node test/bench/safety/compare.ts [--haraka FOLDER]
 *
 * For each deed a fresh server: three clients wait behind RCPT, three in the middle of their message, one new client
 * comes every 200 ms, and one transaction makes the plugin do it. Two cores are enough; nothing else should run.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { RawClient } from '../../support/raw-client.ts'
import { DEEDS, type Deed } from './deeds.ts'
import { haraka, postern, type Server } from './servers.ts'

interface Seen {
  /** Clients that were there before and lost their connection without a word. */
  readonly lost: number
  /** New clients: how many came, how many heard no greeting, how long the slowest waited for it, milliseconds. */
  readonly came: number
  readonly unheard: number
  readonly slowestMs: number
  /** What the transaction that did it was told. */
  readonly reply: string
  /** Whether the neighbour still does its work, and the server is still there. */
  readonly isPolicyOn: boolean
}

const PATIENCE_MS = 15_000
const WATCH_MS = 12_000
const CONTENT = 'Subject: x\r\n\r\nhello\r\n'

const { values } = parseArgs({ options: { haraka: { type: 'string' }, json: { type: 'boolean' } } })
const { haraka: home } = values
const rows: { readonly deed: Deed; readonly server: string; readonly seen: Seen }[] = []
for (const deed of DEEDS) {
  rows.push({ deed, server: 'Postern', seen: await watched(deed, await postern(deed)) })
  if (home !== undefined)
    rows.push({ deed, server: 'Haraka', seen: await watched(deed, await haraka(deed, home)) })
  const row = rows.at(-1)
  if (values.json !== true) for (const one of rows.slice(home === undefined ? -1 : -2)) print(one)
  if (row === undefined) break
}
if (values.json === true) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`)

function print({ deed, server, seen }: (typeof rows)[number]): void {
  const { lost, came, unheard, slowestMs, reply, isPolicyOn } = seen
  const cells = [
    `${deed.name} ${deed.what}`.padEnd(36),
    server.padEnd(8),
    `lost ${lost}/6`,
    `new ${came - unheard}/${came}, slowest ${Math.round(slowestMs)} ms`.padEnd(34),
    `policy ${isPolicyOn ? 'on ' : 'OFF'}`,
    reply.slice(0, 70),
  ]
  process.stdout.write(`${cells.join(' | ')}\n`)
}

async function watched(deed: Deed, started: Server): Promise<Seen> {
  await using server = started
  const { port } = server
  const idle = await Promise.all([1, 2, 3].map(() => victim(port, 'rcpt')))
  const midway = await Promise.all([1, 2, 3].map(() => victim(port, 'data')))
  const stop = new AbortController()
  const visiting = visitors(port, stop.signal)
  const reply = await attack(port, deed.hook)
  await wait(deed.name === 'f' || deed.name === 'b' ? WATCH_MS : WATCH_MS / 3)
  stop.abort()
  const ends = await Promise.all([...idle.map(finishIdle), ...midway.map(finishMidway)])
  const { came, unheard, slowestMs } = await visiting
  return {
    lost: ends.filter((isFine) => !isFine).length,
    came,
    unheard,
    slowestMs,
    reply,
    isPolicyOn: (await server.isThere()) && (await isBlocked(port)),
  }
}

async function victim(port: number, until: 'rcpt' | 'data'): Promise<RawClient> {
  const client = await RawClient.greeted({ port, patienceMs: PATIENCE_MS })
  await client.expect('250', 'MAIL FROM:<victim@client.example>')
  await client.expect('250', 'RCPT TO:<rcpt@bench.test>')
  if (until === 'data') {
    await client.expect('354', 'DATA')
    client.raw('Subject: half\r\n')
  }
  return client
}

async function finishIdle(client: RawClient): Promise<boolean> {
  return await wentWell(async () => {
    await client.expect('354', 'DATA')
    client.raw(CONTENT)
    return await client.ask('.')
  })
}

async function finishMidway(client: RawClient): Promise<boolean> {
  return await wentWell(async () => {
    client.raw('\r\nthe rest\r\n')
    return await client.ask('.')
  })
}

async function wentWell(work: () => Promise<string>): Promise<boolean> {
  try {
    return (await work()).startsWith('250')
  } catch {
    return false
  }
}

async function attack(port: number, hook: Deed['hook']): Promise<string> {
  try {
    using client = await RawClient.greeted({ port, patienceMs: PATIENCE_MS })
    const mail = await client.ask('MAIL FROM:<evil@client.example>')
    if (hook === 'mail' || !mail.startsWith('250')) return mail
    await client.expect('250', 'RCPT TO:<rcpt@bench.test>')
    await client.expect('354', 'DATA')
    client.raw(CONTENT)
    return await client.ask('.')
  } catch (error) {
    return `cut off: ${(error as Error).message.slice(0, 40)}`
  }
}

async function visitors(
  port: number,
  signal: AbortSignal,
): Promise<Pick<Seen, 'came' | 'unheard' | 'slowestMs'>> {
  const waits: Promise<number>[] = []
  while (!signal.aborted) {
    waits.push(greetingMs(port))
    await wait(200)
  }
  const all = await Promise.all(waits)
  const heard = all.filter((ms) => ms < Infinity)
  return { came: all.length, unheard: all.length - heard.length, slowestMs: Math.max(0, ...heard) }
}

async function greetingMs(port: number): Promise<number> {
  const startedAt = performance.now()
  try {
    using client = await RawClient.connect({ port, patienceMs: PATIENCE_MS })
    return (await client.reply()).startsWith('220') ? performance.now() - startedAt : Infinity
  } catch {
    return Infinity
  }
}

async function isBlocked(port: number): Promise<boolean> {
  try {
    using client = await RawClient.greeted({ port, patienceMs: PATIENCE_MS })
    await client.expect('250', 'MAIL FROM:<somebody@client.example>')
    return (await client.ask('RCPT TO:<blocked@bench.test>')).startsWith('550')
  } catch {
    return false
  }
}
