/** The hook `auth` at the border: who is told a password, who may say who a client is, and what is kept out of logs. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { PluginReport } from '../../core/hooks/plugin-panel.ts'
import type { AuthEvent } from '../../core/mail/hook-events.ts'
import { fixturePlugin, problemsOf, type TestSandbox, testSandbox } from '../support/sandbox.ts'

const PASSWORD = 'open sesame'
const GRANT = { grant: { credentials: true } } as const

let sandbox: TestSandbox
before(async () => {
  sandbox = await testSandbox([fixturePlugin('curious'), fixturePlugin('password-book', GRANT)])
})
after(() => sandbox.close())

interface Offered {
  readonly password?: string | null
  readonly token?: string | null
}

async function ask(
  identity: string,
  { password = PASSWORD, token = null }: Offered = {},
): Promise<readonly PluginReport[]> {
  const event: AuthEvent = {
    session: {
      id: 's_test',
      client: { address: '192.0.2.1', port: 40_000, network: '192.0.2.1' },
      role: 'submission',
      listener: '198.51.100.1:465',
      trusted: false,
      hello: { verb: 'EHLO', name: 'client.example' },
      tls: { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', servername: null },
      identity: null,
    },
    method: token === null ? 'PLAIN' : 'OAUTHBEARER',
    identity,
    password,
    token,
  }
  const reports: PluginReport[] = []
  const call = { hook: 'auth', event, message: null, session: 's_test', chainMs: 30_000 } as const
  while (reports.length < 2) {
    const more = await sandbox.panel.ask(call, reports.length)
    reports.push(...more)
    const last = more.at(-1)
    if (last === undefined || last.fault !== null || last.answer?.refusal) break
  }
  return reports
}

test('a plugin without the permission is told who, how and where, and no password', async () => {
  const [curious] = await ask('anna')
  assert.deepEqual(curious?.answer?.note?.facts, {
    identity: 'anna',
    method: 'PLAIN',
    password: null,
    token: null,
    tls: true,
  })
})

test('a token is told to nobody else than a password is', async () => {
  const [curious, book] = await ask('anna', { password: null, token: PASSWORD })
  assert.equal(curious?.answer?.note?.facts['method'], 'OAUTHBEARER')
  assert.equal(curious?.answer?.note?.facts['token'], null)
  assert.deepEqual(book?.answer?.actions, [{ kind: 'auth.accept', identity: 'anna@example.test' }])
})

test('a plugin with the permission is told the password and says who it is', async () => {
  const [, book] = await ask('anna')
  assert.deepEqual(book?.answer, {
    refusal: null,
    note: null,
    actions: [{ kind: 'auth.accept', identity: 'anna@example.test' }],
  })
})

test('a wrong password is refused', async () => {
  const [, book] = await ask('anna', { password: 'open barley' })
  assert.equal(book?.answer?.refusal?.status, '5.7.8')
})

test('saying who a client is needs the permission', async () => {
  const [curious] = await ask('anybody')
  assert.equal(curious?.fault?.kind, 'denied')
  assert.match(curious?.fault?.message ?? '', /needs the permission credentials/)
})

test('an identity that could not be seen in a log is none', async () => {
  const [, book] = await ask('nobody')
  assert.equal(book?.fault?.kind, 'invalid-answer')
})

test('nothing is accepted at another hook', async () => {
  const [report] = await sandbox.rcpt('anna')
  assert.equal(report?.fault?.kind, 'invalid-answer')
  assert.match(report?.fault?.message ?? '', /only at auth/)
})

for (const how of ['quotes', 'logs', 'notes', 'holds', 'tags'])
  test(`a password or token a plugin ${how} by accident is masked`, async () => {
    const reports = [await ask(how), await ask(how, { password: null, token: PASSWORD })]
    const text = JSON.stringify([reports, sandbox.logged])
    assert.match(text, /‹password›/)
    assert.ok(!text.includes(PASSWORD), text)
    sandbox.logged.length = 0
  })

test('the permission is critical: without a grant the plugin does not load, and is told what it would do', async () => {
  const problems = await problemsOf([fixturePlugin('password-book')])
  assert.match(
    problems,
    /^P2001 .* it sees the passwords and tokens of those who sign in and decides who they are\./,
  )
  assert.match(problems, /add {2}grant: \{ "credentials": true \}/)
})
