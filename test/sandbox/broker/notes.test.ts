/** `notes`: kept for a transaction or a session, readable by others with the permission, bounded. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Caller } from '../../../sandbox/broker/effect.ts'
import { QuotaExceeded } from '../../../sandbox/broker/effect.ts'
import { MAX_NOTES, MAX_NOTES_BYTES, notesEffects, SessionNotes } from '../../../sandbox/broker/notes.ts'
import { effectivePermissions } from '../../../sandbox/permissions.ts'
import { probe } from '../../support/probe.ts'
import { TemporaryFolder } from '../../support/temporary-folder.ts'

function caller(about: Partial<Caller['question']> & { plugin?: string; asks?: object } = {}): Caller {
  const { plugin = 'one', asks = {}, ...question } = about
  return {
    plugin,
    permissions: effectivePermissions(asks, null),
    message: null,
    question: { hook: 'rcpt', session: 's_1', transaction: 1, secret: '', pluginMs: 1_000, ...question },
  }
}

function effects(notes: SessionNotes) {
  const byName = new Map(notesEffects(notes))
  const run = async (name: string, who: Caller, ...args: unknown[]): Promise<unknown> =>
    byName.get(name)?.run(who, args)
  return {
    get: (who: Caller, key: string, plugin: string | null = null) => run('notes.get', who, key, plugin),
    set: (who: Caller, key: string, value: unknown, isOfSession = false) =>
      run('notes.set', who, key, value, isOfSession),
  }
}

test('a note at rcpt is there at data of the same transaction and not in the next', async () => {
  const { get, set } = effects(new SessionNotes())
  await set(caller(), 'seen', { count: 1 })
  assert.deepEqual(await get(caller({ hook: 'data' }), 'seen'), { count: 1 })
  assert.equal(await get(caller({ transaction: 2 }), 'seen'), undefined)
  await set(caller({ transaction: 2 }), 'other', 1)
  assert.equal(await get(caller({ transaction: 1 }), 'seen'), undefined)
})

test('a note at connect, or of the session, is there in every transaction; a nearer one hides it', async () => {
  const { get, set } = effects(new SessionNotes())
  await set(caller({ hook: 'connect', transaction: null }), 'from', 'connect')
  await set(caller(), 'mine', 'session', true)
  const later = caller({ transaction: 2 })
  assert.equal(await get(later, 'from'), 'connect')
  assert.equal(await get(later, 'mine'), 'session')
  await set(later, 'from', 'rcpt')
  assert.equal(await get(later, 'from'), 'rcpt')
  assert.equal(await get(caller({ transaction: 3 }), 'from'), 'connect')
})

test('notes end with their session, and are of that session alone', async () => {
  const notes = new SessionNotes()
  const { get, set } = effects(notes)
  await set(caller(), 'seen', 1)
  assert.equal(await get(caller({ session: 's_2' }), 'seen'), undefined)
  notes.forget('s_1')
  assert.equal(notes.size, 0)
  assert.equal(await get(caller(), 'seen'), undefined)
})

test('the notes of another plugin need the permission', async () => {
  const { get, set } = effects(new SessionNotes())
  await set(caller(), 'score', 7)
  const asks = { notes: ['one'] }
  assert.equal(await get(caller({ plugin: 'two', asks }), 'score', 'one'), 7)
  await assert.rejects(get(caller({ plugin: 'two' }), 'score', 'one'), { name: 'PermissionDenied' })
  await assert.rejects(get(caller({ plugin: 'two', asks }), 'score', 'three'), { name: 'PermissionDenied' })
  assert.equal(await get(caller({ plugin: 'two', asks }), 'score'), undefined)
})

test('the notes of one plugin have a size; what is removed makes room', async () => {
  const { get, set } = effects(new SessionNotes())
  // The key, two quotation marks and a hundred for the entry count.
  const largest = 'x'.repeat(MAX_NOTES_BYTES - 103)
  await set(caller(), 'k', largest)
  await assert.rejects(set(caller(), 'l', ''), QuotaExceeded)
  assert.equal(await get(caller(), 'k'), largest)
  await set(caller({ plugin: 'two' }), 'k', largest)
  await set(caller(), 'k', null)
  await set(caller(), 'l', '')
  assert.equal(await get(caller(), 'k'), undefined)
})

test('ten thousand sessions are kept, the least recently used goes first', async () => {
  const notes = new SessionNotes()
  const { get, set } = effects(notes)
  for (let i = 0; i <= 10_000; i++) await set(caller({ session: `s_${i}` }), 'seen', i)
  assert.equal(notes.size, 10_000)
  assert.equal(await get(caller({ session: 's_0' }), 'seen'), undefined)
  assert.equal(await get(caller({ session: 's_10000' }), 'seen'), 10_000)
})

test('a plugin has so many notes, however small', async () => {
  const { get, set } = effects(new SessionNotes())
  for (let i = 0; i < MAX_NOTES; i++) await set(caller(), `k${i}`, 1)
  await assert.rejects(set(caller(), 'more', 1), { name: 'QuotaExceeded', quota: 'notes.count' })
  await set(caller(), 'k0', 2)
  await set(caller(), 'k1', null)
  await set(caller(), 'more', 1)
  assert.deepEqual([await get(caller(), 'k0'), await get(caller(), 'more')], [2, 1])
})

test("a plugin that notes much pushes out its own notes and no other plugin's", async () => {
  const { get, set } = effects(new SessionNotes())
  await set(caller({ plugin: 'two', session: 's_0' }), 'seen', 'two')
  await set(caller({ session: 's_0' }), 'seen', 'one')
  await set(caller({ session: 's_used' }), 'seen', 'used')
  const large = 'x'.repeat(16_000)
  for (let i = 1; i <= 4_500; i++) {
    await set(caller({ session: `s_${i}` }), 'large', large)
    if (i % 1_000 === 0) assert.equal(await get(caller({ session: 's_used' }), 'seen'), 'used')
  }
  assert.equal(await get(caller({ session: 's_0' }), 'seen'), undefined)
  assert.equal(await get(caller({ plugin: 'two', session: 's_0' }), 'seen'), 'two')
})

test('a call that outlives its session brings no notes back', async () => {
  const notes = new SessionNotes()
  const { set } = effects(notes)
  notes.forget('s_1')
  await set(caller(), 'seen', 1)
  assert.equal(notes.size, 0)
})

test('there are none where nobody knows the transaction', async () => {
  const { set } = effects(new SessionNotes())
  await assert.rejects(set(caller({ hook: 'deliver', transaction: null }), 'x', 1), {
    message: 'there are no notes at deliver',
  })
})

test('a plugin finds again at data what it noted at rcpt', async () => {
  await using folder = await TemporaryFolder.make()
  const set = `tools.notes.set('seen', { deep: [1, 'two'] })`
  const get = `tools.notes.get('seen')`
  const plugin = await probe(folder.path, {}, [set, get])
  await plugin.use(set)
  assert.deepEqual(await plugin.use(get, 'Subject: x\r\n\r\n'), { value: { deep: [1, 'two'] } })
  await plugin.close()
})
