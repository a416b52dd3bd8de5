import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PasswordCheck } from '../../../core/credentials/password-threads.ts'
import { matchesHash, SCRYPT_WORK, type ScryptHash } from '../../../core/credentials/scrypt.ts'
import type { Users } from '../../../core/credentials/users-text.ts'
import { REMEMBERED_MS } from '../../../core/credentials/verified-credentials.ts'
import {
  type Attempt,
  MAX_AT_ONCE,
  MAX_DELAYED_PER_NETWORK,
  MAX_WAITING,
  type Verification,
  Verifier,
} from '../../../core/credentials/verifier.ts'
import { StoreFault } from '../../../core/state/store-fault.ts'
import { LocalTallies, type Tallies } from '../../../core/state/tallies.ts'
import { cheapUser } from './cheap-user.ts'
import { StandingClock } from './standing-clock.ts'

const BOB = cheapUser('bob', 'sesame')
const attempt = (given: Partial<Attempt> = {}): Attempt => ({
  name: 'bob',
  password: 'sesame',
  network: '192.0.2.1',
  ...given,
})
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A check that writes down what it was asked, and answers at once or when it is told to. */
class WatchedCheck implements PasswordCheck {
  readonly asked: ScryptHash[] = []
  running = 0
  most = 0
  isHeld = false
  isBroken = false
  saysYes = false
  isClosed = false
  readonly #held: (() => void)[] = []

  async matches(password: string, hash: ScryptHash): Promise<boolean> {
    this.asked.push(hash)
    this.running += 1
    this.most = Math.max(this.most, this.running)
    if (this.isHeld) await new Promise<void>((resolve) => this.#held.push(resolve))
    this.running -= 1
    if (this.isBroken) throw new Error('no more threads')
    if (this.saysYes) return true
    // The dummy of an unknown user asks for real work, which would only cost time here.
    return hash.cost < SCRYPT_WORK.cost && matchesHash(password, hash)
  }

  /** Lets the longest running one end. */
  async letOneEnd(): Promise<void> {
    this.#held.shift()?.()
    await nextTurn()
  }

  async close(): Promise<void> {
    this.isClosed = true
  }
}

/** Delays that are written down instead of waited for. */
class WatchedWait {
  readonly delays: number[] = []
  isHeld = false
  readonly #held: (() => void)[] = []

  readonly wait = async (ms: number, signal: AbortSignal | undefined): Promise<void> => {
    this.delays.push(ms)
    if (!this.isHeld) return
    await new Promise<void>((resolve, reject) => {
      this.#held.push(resolve)
      signal?.addEventListener('abort', () => reject(new Error('aborted')), { once: true })
    })
  }

  async letAllEnd(): Promise<void> {
    for (const resolve of this.#held.splice(0)) resolve()
    await nextTurn()
  }
}

interface Stand {
  readonly verifier: Verifier
  readonly check: WatchedCheck
  readonly waits: WatchedWait
  readonly clock: StandingClock
  users: Users | string
}

function stand(): Stand {
  const check = new WatchedCheck()
  const waits = new WatchedWait()
  const clock = new StandingClock()
  const made = { users: new Map([[BOB.name, BOB]]) as Users | string }
  const verifier = new Verifier({ clock, check, wait: waits.wait, users: () => made.users })
  return Object.assign(made, { verifier, check, waits, clock })
}

const wrong = (ofNetwork: number, ofName: number): Verification => ({
  kind: 'wrong',
  failures: { ofNetwork, ofName },
})
const VERIFIED: Verification = { kind: 'verified', identity: 'bob' }

test('the right password is verified, a wrong one is wrong', async () => {
  const { verifier } = stand()
  assert.deepEqual(await verifier.verify(attempt()), VERIFIED)
  assert.deepEqual(await verifier.verify(attempt({ password: 'Sesame' })), wrong(1, 1))
})

test('name and password count in their prepared form', async () => {
  const { verifier } = stand()
  assert.deepEqual(await verifier.verify(attempt({ name: 'b\u00adob' })), VERIFIED)
})

test('an unknown user is checked like a known one, against a hash of the usual work', async () => {
  const { verifier, check } = stand()
  assert.deepEqual(await verifier.verify(attempt({ name: 'nobody' })), wrong(1, 1))
  assert.deepEqual(await verifier.verify(attempt({ name: '__proto__' })), wrong(2, 1))
  assert.equal(check.asked.length, 2)
  for (const { cost, blockSize, parallelization } of check.asked)
    assert.deepEqual({ cost, blockSize, parallelization }, SCRYPT_WORK)
})

test('an unknown user is wrong even if the password fitted the hash it is compared with', async () => {
  const { verifier, check } = stand()
  check.saysYes = true
  assert.deepEqual(await verifier.verify(attempt({ name: 'nobody' })), wrong(1, 1))
})

test('what can be no name or password is wrong without work', async () => {
  const { verifier, check } = stand()
  assert.deepEqual(await verifier.verify(attempt({ name: 'b\0b' })), wrong(1, 0))
  assert.deepEqual(await verifier.verify(attempt({ password: '' })), wrong(2, 1))
  assert.deepEqual(await verifier.verify(attempt({ password: 'x'.repeat(10_000) })), wrong(3, 2))
  assert.equal(check.asked.length, 0)
})

test('users that are not known are no reason to say wrong', async () => {
  const made = stand()
  made.users = 'the users file cannot be read'
  const reason = 'the users file cannot be read'
  assert.deepEqual(await made.verifier.verify(attempt()), { kind: 'unavailable', reason })
})

test('a check that fails is trouble of ours, and gives its turn back', async () => {
  const { verifier, check } = stand()
  check.isBroken = true
  for (let i = 0; i < MAX_AT_ONCE + 1; i++)
    assert.deepEqual(await verifier.verify(attempt()), { kind: 'unavailable', reason: 'no more threads' })
  check.isBroken = false
  assert.deepEqual(await verifier.verify(attempt()), VERIFIED)
})

test('two are verified at once, a hundred wait, the rest is told to come back', {
  timeout: 20_000,
}, async () => {
  const { verifier, check } = stand()
  check.isHeld = true
  const attempts = Array.from({ length: MAX_AT_ONCE + MAX_WAITING + 3 }, (_, i) =>
    verifier.verify(attempt({ network: `192.0.2.${i}` })),
  )
  await nextTurn()
  assert.equal(check.running, MAX_AT_ONCE)
  assert.equal(verifier.waiting, MAX_WAITING)
  for (let i = 0; i < MAX_AT_ONCE + MAX_WAITING; i++) await check.letOneEnd()
  const kinds = (await Promise.all(attempts)).map(({ kind }) => kind)
  assert.equal(check.most, MAX_AT_ONCE)
  assert.deepEqual(kinds.slice(-3), ['busy', 'busy', 'busy'])
  assert.ok(kinds.slice(0, -3).every((kind) => kind === 'verified'))
  check.isHeld = false
  assert.deepEqual(await verifier.verify(attempt({ network: 'later' })), VERIFIED)
})

test('verified credentials are remembered for a minute from when they were verified', async () => {
  const { verifier, check, clock } = stand()
  await verifier.verify(attempt())
  clock.forward(REMEMBERED_MS - 1)
  assert.deepEqual(await verifier.verify(attempt()), VERIFIED)
  assert.equal(check.asked.length, 1)
  clock.forward(1)
  assert.deepEqual(await verifier.verify(attempt()), VERIFIED)
  assert.equal(check.asked.length, 2)
})

test('they are remembered for this password and this network only', async () => {
  const { verifier, check } = stand()
  await verifier.verify(attempt())
  assert.equal((await verifier.verify(attempt({ password: 'Sesame' }))).kind, 'wrong')
  assert.equal((await verifier.verify(attempt({ network: '192.0.2.2' }))).kind, 'verified')
  assert.equal(check.asked.length, 3)
})

test('a changed password and a removed user are not remembered', async () => {
  const made = stand()
  await made.verifier.verify(attempt())
  made.users = new Map([['bob', cheapUser('bob', 'another')]])
  assert.equal((await made.verifier.verify(attempt())).kind, 'wrong')
  made.users = new Map()
  assert.equal((await made.verifier.verify(attempt())).kind, 'wrong')
})

test('what was wrong is never remembered', async () => {
  const { verifier, check } = stand()
  for (let i = 0; i < 3; i++) await verifier.verify(attempt({ password: 'x' }))
  assert.equal(check.asked.length, 3)
})

test('after three failures the next attempts wait, longer each time, the right password too', async () => {
  const { verifier, waits } = stand()
  for (let i = 0; i < 5; i++) await verifier.verify(attempt({ password: 'x' }))
  assert.deepEqual(waits.delays, [1_000, 2_000])
  assert.deepEqual(await verifier.verify(attempt()), VERIFIED)
  assert.deepEqual(waits.delays, [1_000, 2_000, 4_000])
  // Remembered now: no check and no wait.
  assert.deepEqual(await verifier.verify(attempt()), VERIFIED)
  assert.equal(waits.delays.length, 3)
})

test('guesses sent all at once pay for those among them that were wrong', { timeout: 20_000 }, async () => {
  const { verifier, check, waits } = stand()
  waits.isHeld = true
  const guesses = Array.from({ length: 20 }, (_, i) => verifier.verify(attempt({ password: `x${i}` })))
  await nextTurn()
  // Those that had a turn before the third failure was known: two at a time.
  assert.ok(check.asked.length <= 3 + MAX_AT_ONCE, `${check.asked.length}`)
  assert.equal(waits.delays.length, MAX_DELAYED_PER_NETWORK)
  await waits.letAllEnd()
  const kinds = (await Promise.all(guesses)).map(({ kind }) => kind)
  assert.equal(kinds.filter((kind) => kind === 'wrong').length, check.asked.length)
  assert.ok(kinds.filter((kind) => kind === 'busy').length >= 20 - 3 - MAX_AT_ONCE - MAX_DELAYED_PER_NETWORK)
})

test('who waits for earlier failures keeps nobody else from a turn', { timeout: 20_000 }, async () => {
  const { verifier, waits } = stand()
  for (let i = 0; i < 3; i++) await verifier.verify(attempt({ name: 'eve', password: 'x' }))
  waits.isHeld = true
  const waiting = Array.from({ length: 4 }, () => verifier.verify(attempt({ name: 'eve' })))
  await nextTurn()
  assert.deepEqual(await verifier.verify(attempt({ network: '192.0.2.2' })), VERIFIED)
  const [, ...others] = await Promise.all([waits.letAllEnd(), ...waiting])
  assert.ok(others.every(({ kind }) => kind === 'wrong'))
})

test('a client that goes away while it waits is not checked', { timeout: 20_000 }, async () => {
  const { verifier, check, waits } = stand()
  for (let i = 0; i < 3; i++) await verifier.verify(attempt({ password: 'x' }))
  waits.isHeld = true
  const leaving = new AbortController()
  const verification = verifier.verify(attempt({ signal: leaving.signal }))
  await nextTurn()
  leaving.abort()
  assert.deepEqual(await verification, { kind: 'unavailable', reason: 'the client has gone' })
  assert.equal(check.asked.length, 3)
})

test('a client that goes away while it stands in line is not checked', { timeout: 20_000 }, async () => {
  const { verifier, check } = stand()
  check.isHeld = true
  const first = Array.from({ length: MAX_AT_ONCE }, () => verifier.verify(attempt()))
  const leaving = new AbortController()
  const verification = verifier.verify(attempt({ signal: leaving.signal }))
  await nextTurn()
  leaving.abort()
  await check.letOneEnd()
  assert.equal((await verification).kind, 'unavailable')
  await check.letOneEnd()
  await Promise.all(first)
  assert.equal(check.asked.length, MAX_AT_ONCE)
})

test('closing closes the threads', async () => {
  const { verifier, check } = stand()
  await verifier.close()
  assert.ok(check.isClosed)
})

test('failures are counted with those of other workers', async () => {
  const clock = new StandingClock()
  const tallies = new LocalTallies(() => clock.monotonic())
  const users = new Map([[BOB.name, BOB]])
  const waits = new WatchedWait()
  const options = { clock, tallies, check: new WatchedCheck(), wait: waits.wait, users: () => users }
  const [one, other] = [new Verifier(options), new Verifier(options)]
  for (let i = 0; i < 3; i++) await one.verify(attempt({ password: 'x' }))
  assert.deepEqual(await other.verify(attempt({ password: 'x' })), wrong(4, 4))
  assert.deepEqual(waits.delays, [1_000])
})

test('while failures cannot be counted nobody is verified, and no turn is lost', async () => {
  const clock = new StandingClock()
  const users = new Map([[BOB.name, BOB]])
  const check = new WatchedCheck()
  const reason = 'the keeper is gone'
  let isGone = true
  const local = new LocalTallies(() => clock.monotonic())
  const answer = async <T>(counts: T): Promise<T> => {
    if (isGone) throw new StoreFault('unavailable', reason)
    return counts
  }
  const tallies: Tallies = {
    add: (keys) => answer(local.add(keys)),
    counts: (keys) => answer(local.counts(keys)),
    clear: (keys) => answer(local.clear(keys)),
  }
  const verifier = new Verifier({ clock, tallies, check, users: () => users })
  for (let i = 0; i < MAX_AT_ONCE + 1; i++)
    assert.deepEqual(await verifier.verify(attempt()), { kind: 'unavailable', reason })
  assert.equal(check.asked.length, 0)
  isGone = false
  assert.deepEqual(await verifier.verify(attempt()), VERIFIED)
})
