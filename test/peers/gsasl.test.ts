/** GNU SASL signs in: SCRAM-SHA-256, the same bound to TLS, PLAIN and LOGIN, by a client nobody here has written. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { newUser } from '../../core/credentials/user.ts'
import { formatUser } from '../../core/credentials/users-text.ts'
import { Gateway } from '../support/gateway.ts'
import { needing, startPeer } from '../support/peer-programs.ts'
import type { Ended } from '../support/process-group.ts'

const PASSWORD = 'wonderland=rabbit, ñ'
const PATIENCE_MS = 60_000
const options = needing('gsasl')

let gateway: Gateway
before(async () => {
  if (options.skip !== false) return
  gateway = await Gateway.start({
    listeners: [{ address: '127.0.0.1:0', role: 'submission', tls: 'starttls' }],
    users: './users',
  })
  const made = newUser('anna,b=c', PASSWORD)
  assert.ok(made.ok)
  gateway.folder.write('users', `${formatUser(made.user)}\n`)
})
after(() => gateway?.[Symbol.asyncDispose]())

async function gsasl(mechanism: string, password: string): Promise<Ended> {
  // It takes STARTTLS by itself when it is offered; an empty file: whoever the server is.
  const server = ['--smtp', '--connect', `127.0.0.1:${gateway.port}`, '--x509-ca-file=']
  const binding = mechanism.endsWith('-PLUS') ? [] : ['--no-cb']
  const who = ['--authentication-id', 'anna,b=c', '--password', password, '--authorization-id', '']
  const args = [...server, ...binding, '--mechanism', mechanism, ...who, '--verbose']
  await using group = startPeer('gsasl', args)
  return await group.end(PATIENCE_MS)
}

for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-256-PLUS', 'PLAIN', 'LOGIN'])
  test(`${mechanism}: each is who it says, and a wrong password is 535`, options, async () => {
    const { code, stdout, stderr } = await gsasl(mechanism, PASSWORD)
    assert.equal(code, 0, `${stdout}${stderr}`)
    assert.match(stdout, new RegExp(`^AUTH ${mechanism}`, 'm'))
    assert.match(stdout, /^235 2\.7\.0 Signed in/m)
    assert.equal(gateway.logged('signed-in').at(-1)?.['method'], mechanism)
    const wrong = await gsasl(mechanism, 'wonderland')
    assert.notEqual(wrong.code, 0)
    assert.match(`${wrong.stdout}${wrong.stderr}`, /535 5\.7\.8 /)
  })
