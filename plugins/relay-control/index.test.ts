import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createTestHost, type TestHost, type TestSession } from 'postern/testing'

let host: TestHost
before(async () => {
  host = await createTestHost({ file: import.meta.resolve('./index.ts') })
})
after(() => host.close())

const cases: readonly {
  readonly name: string
  readonly to: string
  readonly ours: boolean
  readonly session: TestSession
  readonly grants: boolean
  readonly code: string
}[] = [
  {
    name: 'anyone to our domain',
    to: 'a@example.test',
    ours: true,
    session: {},
    grants: true,
    code: 'RELAY_OWN_DOMAIN',
  },
  {
    name: 'anyone elsewhere',
    to: 'a@else.example',
    ours: false,
    session: {},
    grants: false,
    code: 'RELAY_NO_REASON',
  },
  {
    name: 'a trusted network elsewhere',
    to: 'a@else.example',
    ours: false,
    session: { trusted: true },
    grants: true,
    code: 'RELAY_NETWORK',
  },
  {
    name: 'a signed-in user elsewhere',
    to: 'a@else.example',
    ours: false,
    session: { identity: 'anna' },
    grants: true,
    code: 'RELAY_IDENTITY',
  },
]

for (const { name, to, ours, session, grants, code } of cases) {
  test(`${name}: ${grants ? 'may' : 'may not'} send`, async () => {
    const answer = await host.rcpt({ to, ours, session })
    assert.equal(answer.refusal, null)
    assert.deepEqual(answer.actions, grants ? [{ kind: 'relay.grant' }] : [])
    assert.equal(answer.note?.code, code)
  })
}
