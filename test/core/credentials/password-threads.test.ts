import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { PasswordThreads } from '../../../core/credentials/password-threads.ts'
import { Verifier } from '../../../core/credentials/verifier.ts'
import { systemClock } from '../../../core/observe/clock.ts'
import { TemporaryFolder } from '../../support/temporary-folder.ts'
import { cheapUser } from './cheap-user.ts'

const BOB = cheapUser('bob', 'sesame')

test('passwords are checked in threads, more of them than there are threads', async () => {
  const threads = new PasswordThreads(2)
  const guesses = ['sesame', 'x', 'sesame', 'y', 'sesame']
  const verdicts = await Promise.all(guesses.map((guess) => threads.matches(guess, BOB.scrypt)))
  assert.deepEqual(verdicts, [true, false, true, false, true])
  await threads.close()
})

test('a hash nothing can be compared with is a rejection, and the thread goes on', async () => {
  const threads = new PasswordThreads(1)
  await assert.rejects(threads.matches('x', { ...BOB.scrypt, cost: 3 }))
  assert.equal(await threads.matches('sesame', BOB.scrypt), true)
  await threads.close()
})

test('a thread that dies rejects what it was asked, and another one takes its place', async () => {
  const entry = new URL(
    `data:text/javascript,import { parentPort } from 'node:worker_threads'; parentPort.on('message', ({ id, password }) => { if (password === 'die') process.exit(1); parentPort.postMessage({ id, matches: true }) })`,
  )
  const threads = new PasswordThreads(1, entry)
  const both = await Promise.allSettled([
    threads.matches('die', BOB.scrypt),
    threads.matches('x', BOB.scrypt),
  ])
  assert.deepEqual(
    both.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  assert.equal(await threads.matches('x', BOB.scrypt), true)
  await threads.close()
})

test('closing rejects what is under way and what comes later', async () => {
  const threads = new PasswordThreads(1)
  const asked = assert.rejects(threads.matches('x', BOB.scrypt))
  await threads.close()
  await asked
  await assert.rejects(threads.matches('x', BOB.scrypt))
})

test('idle threads do not keep a process alive', async () => {
  await using folder = await TemporaryFolder.make()
  const script = join(folder.path, 'script.mjs')
  const source = new URL('../../../core/credentials/password-threads.ts', import.meta.url).href
  await writeFile(
    script,
    `import { PasswordThreads } from '${source}'
     const threads = new PasswordThreads(1)
     console.log(await threads.matches('sesame', ${JSON.stringify(BOB.scrypt)}))`,
  )
  const { stdout, status } = spawnSync(process.execPath, [script], { encoding: 'utf8', timeout: 20_000 })
  assert.deepEqual({ stdout, status }, { stdout: 'true\n', status: 0 })
})

test('a verifier with threads of its own, real work and all', async () => {
  const users = new Map([['bob', BOB]])
  const verifier = new Verifier({ clock: systemClock, users: () => users })
  const network = '192.0.2.1'
  const results = await Promise.all([
    verifier.verify({ name: 'bob', password: 'sesame', network }),
    verifier.verify({ name: 'bob', password: 'x', network }),
    verifier.verify({ name: 'nobody', password: 'sesame', network }),
  ])
  assert.deepEqual(
    results.map(({ kind }) => kind),
    ['verified', 'wrong', 'wrong'],
  )
  await verifier.close()
})
