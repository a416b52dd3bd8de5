import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BacklogLoad } from '../../../core/smtp/backlog-load.ts'
import { joinedLoad, type Lack } from '../../../core/smtp/load.ts'
import { TestServer } from './test-server.ts'

const LIMITS = { pluginCalls: 10, pluginAbsenceMs: 3_000, storeCalls: 100, storeDelayMs: 5_000 }

interface Backlog {
  readonly calls?: number
  readonly absentMs?: number
  readonly waiting?: number
  readonly oldestMs?: number
  readonly isScarce?: boolean
}

function lackOf({
  calls = 0,
  absentMs = 0,
  waiting = 0,
  oldestMs = 0,
  isScarce = false,
}: Backlog): Lack | null {
  const load = new BacklogLoad({
    plugins: () => ({ calls, absentMs }),
    store: () => ({ calls: waiting, oldestMs }),
    space: { isScarce: () => isScarce },
    limits: () => LIMITS,
  })
  return load.overload()
}

for (const [what, at, beyond, lacks] of [
  ['calls of plugins', { calls: 10 }, { calls: 11 }, 'plugins'],
  ['the absence of a plughost', { absentMs: 3_000 }, { absentMs: 3_001 }, 'plugins'],
  ['calls of the store', { waiting: 100 }, { waiting: 101 }, 'store'],
  ['the delay of the store', { oldestMs: 5_000 }, { oldestMs: 5_001 }, 'store'],
  ['free space', { isScarce: false }, { isScarce: true }, 'space'],
] as const) {
  test(`${what} at its limit is no overload, beyond it is one`, () => {
    assert.equal(lackOf(at), null)
    assert.equal(lackOf(beyond), lacks)
  })
}

test('of several loads the first that lacks something speaks', () => {
  const of = (lacks: Lack | null) => ({ overload: () => lacks })
  assert.equal(joinedLoad([]).overload(), null)
  assert.equal(joinedLoad([of(null), of(null)]).overload(), null)
  assert.equal(joinedLoad([of(null), of('store'), of('space')]).overload(), 'store')
})

test('too little space is 421 to who comes and 452 at MAIL, so that a session need not end for it', async () => {
  let isScarce = false
  const load = new BacklogLoad({
    plugins: () => ({ calls: 0, absentMs: 0 }),
    store: () => ({ calls: 0, oldestMs: 0 }),
    space: { isScarce: () => isScarce },
    limits: () => LIMITS,
  })
  const server = await TestServer.start({ parts: { load } })
  try {
    const early = await server.greeted()
    server.isShort = isScarce = true
    assert.match(await early.ask('MAIL FROM:<a@client.example>'), /^452 4\.3\.1 No room for mail/)
    const late = await server.connect()
    assert.match(await late.reply(), /^421 4\.3\.2 Too busy, try again later \(r_\w+\)/)
    server.isShort = isScarce = false
    assert.match(await early.ask('MAIL FROM:<a@client.example>'), /^250 /)
    assert.match(await (await server.connect()).reply(), /^220 /)
  } finally {
    await server.stop()
  }
})

for (const lacks of ['plugins', 'store'] as const) {
  test(`when ${lacks} do not keep up, the refusal says so in the record and the client hears 421`, async () => {
    const server = await TestServer.start({ parts: { load: { overload: () => lacks } } })
    try {
      const client = await server.connect()
      const [, reference = ''] = /\((r_\w+)\)/.exec(await client.reply()) ?? []
      const entries = server.records.find(reference)
      assert.match(JSON.stringify(entries), new RegExp(`"lacks":"${lacks}"`))
    } finally {
      await server.stop()
    }
  })
}
