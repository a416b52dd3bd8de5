/** nmap tries to relay through the gateway in every way it knows (`smtp-open-relay`), and finds none. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Gateway, type GatewaySettings } from '../support/gateway.ts'
import { needing, peerFile, startPeer } from '../support/peer-programs.ts'

const PATIENCE_MS = 120_000
const listeners = [
  { address: '127.0.0.1:0' },
  { address: '127.0.0.1:0', role: 'submission' },
] satisfies GatewaySettings['listeners']

async function scanned(settings: GatewaySettings, listener: 0 | 1): Promise<string> {
  await using gateway = await Gateway.start({ listeners, ...settings })
  // The plus has the script run at a port where nmap expects no SMTP.
  const script = ['--script', '+smtp-open-relay', '--script-args', 'smtp-open-relay.domain=elsewhere.example']
  const args = ['-Pn', '-n', '-sT', '-p', String(gateway.ports[listener]), ...script, '127.0.0.1']
  const data = peerFile('usr/share/nmap')
  await using group = startPeer('nmap', [...(data === null ? [] : ['--datadir', data]), ...args])
  const { code, stdout, stderr } = await group.end(PATIENCE_MS)
  assert.equal(code, 0, `${stdout}${stderr}`)
  assert.equal(gateway.kept().length, 0)
  return stdout
}

test('with relay.networks: [] nothing is relayed', needing('nmap'), async () => {
  const said = await scanned({ relay: { networks: [] } }, 0)
  assert.match(said, /smtp-open-relay: Server doesn't seem to be an open relay, all tests failed/)
})

test('a submission listener relays for nobody who has not signed in', needing('nmap'), async () => {
  const said = await scanned({ relay: { networks: [] } }, 1)
  assert.doesNotMatch(said, /Server is an open relay/)
  assert.match(said, /smtp-open-relay: /)
})

test('it would find one: where nmap is in a trusted network, it says so', needing('nmap'), async () => {
  const said = await scanned({ relay: { networks: ['127.0.0.1/32'] }, outbound: { route: 'discard:' } }, 0)
  assert.match(said, /smtp-open-relay: Server is an open relay \(\d+\/\d+ tests\)/)
})
