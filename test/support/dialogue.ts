/**
 * SMTP dialogues as text, so that a conversation reads as one. A line is:
 *
 *     # comment              says why, with the section of the RFC; the first one is the name of the test
 *     limit NAME NUMBER      before anything else: a limit of the server; `network.NAME` of the client network
 *     trust NETWORK          before anything else: a network of `relay.networks`
 *     listener ROLE TLS      before anything else: as in `listener submission starttls`
 *     proxy NETWORK          before anything else: the listener is behind a proxy there
 *     xclient NETWORK        before anything else: a network whose XCLIENT is believed
 *     xforward NETWORK       before anything else: a network whose XFORWARD is taken down
 *     c connect              client c connects; done by itself when c is first mentioned
 *     c -> TEXT              c sends a line and CRLF
 *     c ~> "TEXT" * 3        c sends exactly these octets (a JSON string, one character an octet), three times
 *     c <- TEXT              the next line c hears is this
 *     c <~ REGEX             the next line c hears matches
 *     c <* CODE              the next reply c hears, of one or more lines, begins with this code
 *     c <* CODE * 3          and so do the two behind it
 *     c <. closed            the server closes, and has said nothing more
 *     c closes               the server closes, whatever it has said
 *     c <. silence           nothing is said for a while
 *     c secure               c does the TLS handshake
 *     c drop                 c is gone, without QUIT
 *     stored NUMBER          so many messages are stored now
 *     stored ~ "TEXT"        the newest stored message contains these octets
 */
import assert from 'node:assert/strict'
import type { Listener } from '../../core/smtp/client-session.ts'
import { NETWORK_KINDS, type NetworkLimits } from '../../core/smtp/settings.ts'
import { TestServer } from '../core/smtp/test-server.ts'
import { credentials, policy } from './dialogue-policy.ts'
import type { RawClient } from './raw-client.ts'
import { testCertificate } from './test-certificate.ts'

const SILENCE_MS = 60

export interface Dialogue {
  readonly name: string
  readonly limits: Readonly<Record<string, number>>
  readonly network: NetworkLimits
  readonly networks: readonly string[]
  readonly listener: Listener
  readonly steps: readonly { readonly number: number; readonly text: string }[]
}

/** @throws when a line before the dialogue is malformed */
export function parseDialogue(text: string): Dialogue {
  const lines = text.split('\n').map((line, index) => ({ number: index + 1, text: line.trimStart() }))
  const limits: Record<string, number> = {}
  const network: Record<string, number> = {}
  const networks: string[] = []
  const lists: Record<string, string[]> = {}
  let listener: Listener = { role: 'mx', address: '127.0.0.1:25', tls: 'off' }
  const steps: { number: number; text: string }[] = []
  for (const line of lines) {
    if (line.text === '' || line.text.startsWith('#')) continue
    const [word, name = '', value = ''] = line.text.split(' ')
    if (word === 'limit' && name.startsWith('network.'))
      network[name.slice('network.'.length)] = Number(value)
    else if (word === 'limit') limits[name] = Number(value)
    else if (word === 'trust') networks.push(name)
    else if (word === 'proxy' || word === 'xclient' || word === 'xforward') lists[word] = [name]
    else if (word === 'listener') listener = { ...listener, role: name, tls: value } as Listener
    else steps.push(line)
  }
  const first = lines.find((line) => line.text.startsWith('#'))
  return {
    name: first?.text.slice(1).trim() ?? 'without a name',
    limits,
    network: networkLimits(network),
    networks,
    listener: { ...listener, ...lists },
    steps,
  }
}

function networkLimits(given: Readonly<Record<string, number>>): NetworkLimits {
  return Object.fromEntries(NETWORK_KINDS.map((kind) => [kind, given[kind] ?? Infinity])) as NetworkLimits
}

/** Plays a dialogue against a server of its own. */
export async function playDialogue({ limits, network, networks, listener, steps }: Dialogue): Promise<void> {
  const server = await TestServer.start({
    plugins: policy,
    limits: { ...limits, network },
    settings: { relay: { networks } },
    listener,
    tls: testCertificate(),
    credentials,
  })
  const clients = new Map<string, RawClient>()
  try {
    for (const { number, text } of steps) {
      try {
        await play(server, clients, text)
      } catch (error) {
        throw new Error(`line ${number}: ${text}\n${String(error)}`, { cause: error })
      }
    }
  } finally {
    await server.stop()
  }
}

async function play(server: TestServer, clients: Map<string, RawClient>, text: string): Promise<void> {
  const [name = ''] = text.split(' ')
  if (name === 'stored') return stored(server, text.slice('stored '.length))
  const action = text.slice(name.length + 1)
  if (action === 'connect' || !clients.has(name)) clients.set(name, await server.connect())
  if (action === 'connect') return
  const client = clients.get(name) as RawClient
  if (action === 'drop') return client.destroy()
  if (action === 'closes') return void (await client.closed())
  if (action === 'secure') return void (await client.secure())
  const sign = action.slice(0, 2)
  const rest = action.slice(3)
  if (sign === '->') client.say(rest)
  else if (sign === '~>') client.raw(octets(rest))
  else if (sign === '<-') assert.equal(await client.line(), rest)
  else if (sign === '<~') assert.match(await client.line(), new RegExp(`^${rest}$`))
  else if (sign === '<*') await hear(client, rest)
  else if (rest === 'closed') assert.equal(await client.closed(), '')
  else if (rest === 'silence') assert.equal(await client.silence(SILENCE_MS), '')
  else throw new Error('this line says nothing')
}

async function hear(client: RawClient, text: string): Promise<void> {
  const [code = '', times = '1'] = text.split(' * ')
  for (let i = 0; i < Number(times); i++) {
    const reply = await client.reply()
    assert.ok(reply.startsWith(code), `${reply} (number ${i + 1})`)
  }
}

async function stored(server: TestServer, what: string): Promise<void> {
  if (!what.startsWith('~ ')) return assert.equal(server.stored.length, Number(what))
  const newest = server.stored.at(-1)
  assert.ok(newest, 'nothing is stored')
  assert.ok(server.sent(newest).includes(octets(what.slice(2))), server.sent(newest))
}

function octets(text: string): string {
  const [, json = '', times = '1'] = /^(".*")(?: \* (\d+))?$/.exec(text) ?? []
  return (JSON.parse(json) as string).repeat(Number(times))
}
