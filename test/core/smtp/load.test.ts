import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProcessLoad } from '../../../core/smtp/load.ts'
import { TestServer } from './test-server.ts'

/** Looks after each of these waits, in milliseconds, 500 being on time. */
function after(waits: readonly number[], memory = 0): ReturnType<ProcessLoad['overload']> {
  let now = 500
  const load = new ProcessLoad({
    monotonic: () => now,
    memoryBytes: () => memory,
    maxMemoryBytes: () => 1_000,
  })
  load.start()
  load.stop()
  for (const wait of waits) {
    now += wait
    load.look()
  }
  return load.overload()
}

test('a loop that is late twice in a row is overloaded, once is not', () => {
  assert.equal(after([500, 500, 500]), null)
  assert.equal(after([500, 2_000]), null)
  assert.equal(after([500, 2_000, 500, 2_000]), null)
  assert.equal(after([500, 2_000, 2_000]), 'time')
})

test('it stays so until it is on time once', () => {
  assert.equal(after([500, 2_000, 2_000, 800]), 'time')
  assert.equal(after([500, 2_000, 2_000, 800, 500]), null)
})

test('memory beyond the limit is an overload, whatever the time', () => {
  assert.equal(after([500], 1_000), null)
  assert.equal(after([500], 1_001), 'memory')
})

test('an overloaded server says 421 4.3.2 to who comes, and at MAIL; a transaction under way is finished', async () => {
  let lacks: 'memory' | null = null
  const server = await TestServer.start({ parts: { load: { overload: () => lacks } } })
  try {
    const early = await server.greeted()
    const idle = await server.greeted()
    await early.ask('MAIL FROM:<a@client.example>')
    lacks = 'memory'
    assert.match(await idle.ask('MAIL FROM:<b@client.example>'), /^421 4\.3\.2 Too busy/)
    const late = await server.connect()
    assert.match(await late.reply(), /^421 4\.3\.2 Too busy, try again later \(r_\w+\)/)
    assert.match(await early.ask('RCPT TO:<user@example.test>'), /^250 /)
    await early.ask('DATA')
    assert.match(await early.ask('Subject: x\r\n\r\nbody\r\n.'), /^250 /)
    lacks = null
    assert.match(await (await server.connect()).reply(), /^220 /)
  } finally {
    await server.stop()
  }
})
