import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestHost } from 'postern/testing'

const file = import.meta.resolve('./index.ts')

const cases: readonly (readonly [string, boolean])[] = [
  ['anna@example.test', true],
  ['ANNA@example.test', true],
  ['anna+lists@example.test', true],
  ['+lists@example.test', false],
  ['annab@example.test', false],
  ['anyone@all.example', true],
]

const entries = ['Anna@example.test', '@all.example']
const sources = {
  addresses: { file, config: { addresses: entries } },
  table: { file, config: { table: 'people' }, lookups: { people: entries } },
}

for (const [source, options] of Object.entries(sources)) {
  test(`who exists, with ${source}`, async (t) => {
    const host = await createTestHost(options)
    t.after(() => host.close())
    for (const [to, exists] of cases) {
      const { refusal, fault } = await host.rcpt({ to })
      assert.equal(fault, null, to)
      assert.equal(refusal?.code, exists ? undefined : 'RECIPIENT_UNKNOWN', to)
      assert.equal(refusal?.status, exists ? undefined : '5.1.1', to)
    }
  })
}

test('without a list every recipient of our domains exists', async () => {
  const host = await createTestHost({ file })
  assert.equal((await host.rcpt({ to: 'anyone@example.test' })).refusal, null)
  await host.close()
})

test('recipients of other domains are nobody of ours to refuse', async () => {
  const host = await createTestHost({ file, config: { addresses: [] } })
  assert.equal((await host.rcpt({ to: 'a@else.example', ours: false })).refusal, null)
  await host.close()
})

test('a table that does not exist is a fault, so the mail is deferred and not let through', async () => {
  const host = await createTestHost({ file, config: { table: 'people' } })
  const { fault } = await host.rcpt({ to: 'anna@example.test' })
  assert.match(fault?.message ?? '', /there is no lookup table "people"/)
  await host.close()
})
