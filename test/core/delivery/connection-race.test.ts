import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import { test } from 'node:test'
import { type Raced, raceConnections } from '../../../core/delivery/connection-race.ts'

/** What connecting to a target comes to, and after how many milliseconds; null: nothing until it is ended. */
type Fate = { readonly afterMs: number; readonly error?: string } | null

interface Course {
  readonly raced: Promise<Raced<string>>
  /** Targets in the order they were tried. */
  readonly tried: readonly string[]
  /** Targets whose try was ended. */
  readonly ended: readonly string[]
  readonly sockets: ReadonlyMap<string, Socket>
}

function race(fates: Readonly<Record<string, Fate>>, staggerMs: number, signal?: AbortSignal): Course {
  const [tried, ended]: [string[], string[]] = [[], []]
  const sockets = new Map<string, Socket>()
  const connect = (target: string, over: AbortSignal): Promise<Socket | Error> =>
    new Promise((resolve) => {
      tried.push(target)
      const giveUp = (): void => {
        ended.push(target)
        resolve(new Error('given up'))
      }
      if (over.aborted) return giveUp()
      const fate = fates[target] ?? null
      // A real one may connect in the turn it is ended.
      if (fate === null) return over.addEventListener('abort', giveUp)
      setTimeout(() => {
        const socket = new Socket()
        sockets.set(target, socket)
        resolve(fate.error === undefined ? socket : new Error(fate.error))
      }, fate.afterMs)
    })
  const targets = Object.keys(fates)
  const raced = raceConnections({
    targets,
    connect,
    staggerMs,
    signal: signal ?? new AbortController().signal,
  })
  return { raced, tried, ended, sockets }
}

async function winner({ raced }: Course): Promise<string | null> {
  const end = await raced
  return end.isWon ? end.target : null
}

test('a first address that connects is the only one that is tried', async () => {
  const course = race({ a: { afterMs: 0 }, b: { afterMs: 0 } }, 5_000)
  assert.equal(await winner(course), 'a')
  assert.deepEqual(course.tried, ['a'])
})

test('behind an address that is silent the next one is tried, and the first is ended when it has won', async () => {
  const course = race({ a: null, b: null, c: { afterMs: 0 } }, 20)
  assert.equal(await winner(course), 'c')
  assert.deepEqual(
    [course.tried, course.ended],
    [
      ['a', 'b', 'c'],
      ['a', 'b'],
    ],
  )
})

test('behind an address that refuses the next one is tried at once', async () => {
  const startedAt = performance.now()
  const course = race({ a: { afterMs: 0, error: 'refused' }, b: { afterMs: 0 } }, 60_000)
  assert.equal(await winner(course), 'b')
  assert.ok(performance.now() - startedAt < 30_000)
})

test('a slow first address may still win', async () => {
  const course = race({ a: { afterMs: 100 }, b: null }, 10)
  assert.equal(await winner(course), 'a')
  assert.deepEqual(course.ended, ['b'])
})

test('of two that connect in the same turn one is kept, the other closed', async () => {
  const course = race({ a: { afterMs: 40 }, b: { afterMs: 20 }, c: { afterMs: 0 } }, 20)
  const won = await winner(course)
  await new Promise((resolve) => setTimeout(resolve, 100))
  const open = [...course.sockets].flatMap(([target, socket]) => (socket.destroyed ? [] : [target]))
  assert.deepEqual(open, [won])
})

test('when nobody can be reached each says why', async () => {
  const course = race({ a: { afterMs: 50, error: 'slow' }, b: { afterMs: 0, error: 'refused' } }, 5)
  const end = await course.raced
  assert.ok(!end.isWon)
  assert.deepEqual(
    end.failures.map(({ target, error }) => `${target}: ${error.message}`),
    ['b: refused', 'a: slow'],
  )
})

test('who gives up ends all of it', async () => {
  const stop = new AbortController()
  const course = race({ a: null, b: null, c: null }, 5_000, stop.signal)
  stop.abort()
  const end = await course.raced
  assert.ok(!end.isWon)
  assert.equal(end.failures.length, 3)
  assert.equal((await race({ a: { afterMs: 0 } }, 10, stop.signal).raced).isWon, false)
})
