/** A gateway whose plugins give the answers they are asked for, and a client that asks and sees what comes of it. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { HookName } from '../../../core/mail/hook-events.ts'
import { FakeRemote } from '../../support/fake-remote.ts'
import { Gateway } from '../../support/gateway.ts'
import { RawClient } from '../../support/raw-client.ts'
import { TemporaryFolder } from '../../support/temporary-folder.ts'

/** What plugins are told to do, by hook: `one-reject`, or several with blanks between them. */
export type Orders = { readonly [hook in HookName]?: string }

/** Where a client hears a refusal; `dot` is the reply to the final dot. */
export type Place = 'connect' | 'helo' | 'auth' | 'mail' | 'rcpt' | 'dot'

/** What the client heard. */
export interface Heard {
  /** null: the message was accepted. */
  readonly refusedAt: Place | null
  /** The refusal, or the reply to the final dot. */
  readonly reply: string
  readonly isOpen: boolean
}

/** Copies of the plugin, in the order of asking. */
const PLUGINS = {
  one: 'defer',
  two: 'defer',
  skipping: 'skip',
  holding: 'hold',
  powerless: 'defer',
  powerlessskip: 'skip',
  powerlesshold: 'hold',
} as const
export type PluginName = keyof typeof PLUGINS
export const EVERYBODY = Object.keys(PLUGINS) as readonly PluginName[]

const FIXTURE = join(import.meta.dirname, '..', '..', 'fixtures', 'plugins', 'answers.ts')
const CRITICAL = { 'relay.grant': true, 'route.set': ['*'], credentials: true }
const CONTENT = 'From: <a@client.example>\r\nX-Seen: before\r\n\r\nHello'

export class Stage implements AsyncDisposable {
  readonly gateway: Gateway
  /** Where mail goes when nobody says otherwise; it puts off recipients with `later` or `tag` in their name. */
  readonly home: FakeRemote
  /** Where routes that plugins set lead. */
  readonly first: FakeRemote
  readonly second: FakeRemote
  readonly #plugins: TemporaryFolder
  readonly #addresses: ReadonlyMap<string, string>

  private constructor(
    gateway: Gateway,
    [home, first, second]: readonly [FakeRemote, FakeRemote, FakeRemote],
    plugins: TemporaryFolder,
    addresses: ReadonlyMap<string, string>,
  ) {
    this.gateway = gateway
    this.home = home
    this.first = first
    this.second = second
    this.#plugins = plugins
    this.#addresses = addresses
  }

  /** @param connectOrders what will be ordered at `connect`: each has a client address of its own */
  static async open(connectOrders: readonly string[]): Promise<Stage> {
    const home = await FakeRemote.start(({ verb, argument }) =>
      verb === 'rcpt' && /later|tag/.test(argument) ? '450 4.2.1 Later' : undefined,
    )
    const [first, second] = [await FakeRemote.start(), await FakeRemote.start()]
    const addresses = new Map(connectOrders.map((orders, i) => [orders, `127.0.1.${i + 1}`] as const))
    const byAddress = Object.fromEntries(
      Array.from(addresses, ([orders, address]) => [address, inWords('connect', orders)]),
    )
    const config = { byAddress, first: first.route, second: second.route }
    const folder = await TemporaryFolder.make()
    const gateway = await Gateway.start({
      listeners: [
        { address: '127.0.0.1:0' },
        { address: '127.0.0.1:0', role: 'submission', tls: 'implicit' },
      ],
      limits: 'off',
      relay: { networks: [] },
      domains: { 'example.test': { deliver: home.route } },
      outbound: { route: home.route },
      plugins: [
        { name: 'relay-control' },
        ...Object.entries(PLUGINS).map(([name, onError]) => ({
          path: copyOf(folder.path, name),
          onError,
          config,
          ...(name.startsWith('powerless') ? {} : { grant: CRITICAL }),
        })),
      ],
    })
    return new Stage(gateway, [home, first, second], folder, addresses)
  }

  /** One message whose orders are carried out on its way. */
  async send(orders: Orders, recipients: readonly string[]): Promise<Heard> {
    using client = await this.#connected(orders)
    const place = await this.#refusedAt(client, orders, recipients)
    return { ...place, isOpen: await isOpen(client) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway[Symbol.asyncDispose]()
    for (const remote of [this.home, this.first, this.second]) await remote.stop()
    await this.#plugins[Symbol.asyncDispose]()
  }

  async #connected({ connect, auth }: Orders): Promise<RawClient> {
    const from = connect === undefined ? '127.0.0.1' : (this.#addresses.get(connect) ?? '')
    const [mx, submission] = Array.from(
      this.gateway.banner.matchAll(/^\s*Listens\s+127\.0\.0\.1:(\d+)/gm),
      ([, port]) => Number(port),
    )
    const client = await RawClient.connect({ port: (auth === undefined ? mx : submission) ?? 0, from })
    if (auth !== undefined) await client.secure()
    return client
  }

  /** Goes on until something is refused. */
  async #refusedAt(
    client: RawClient,
    orders: Orders,
    recipients: readonly string[],
  ): Promise<Omit<Heard, 'isOpen'>> {
    const { helo, auth } = orders
    const steps: readonly (readonly [Place, () => Promise<string>])[] = [
      ['connect', () => client.reply()],
      [
        'helo',
        () => client.ask(`EHLO ${[inWords('helo', helo), 'client.example'].filter(Boolean).join('.')}`),
      ],
      ...(auth === undefined ? [] : [['auth', () => client.ask(signIn(inWords('auth', auth)))] as const]),
      ['mail', () => client.ask(`MAIL FROM:<${senderOf(orders)}>`)],
      ...recipients.map((address) => ['rcpt', () => client.ask(`RCPT TO:<${address}>`)] as const),
      ['dot', () => client.expect('354', 'DATA').then(() => client.ask(`${CONTENT}\r\n.`))],
    ]
    let reply = ''
    for (const [place, step] of steps) {
      reply = await step()
      if (/^[45]/.test(reply)) return { refusedAt: place, reply }
    }
    return { refusedAt: null, reply }
  }
}

/** The reverse-path, which has the orders of every hook that sees it. */
export function senderOf(orders: Orders): string {
  const hooks = ['mail', 'data', 'queue', 'deliver', 'tell'] as const
  const words = hooks.flatMap((hook) => inWords(hook, orders[hook]) || [])
  return `${words.join('.') || 'anybody'}@client.example`
}

/** Orders as the plugins read them: `rcpt-one-reject.rcpt-two-hold`; '' without any. */
export function inWords(hook: HookName, orders = ''): string {
  return orders
    .split(' ')
    .filter((order) => order !== '')
    .map((order) => `${hook}-${order}`)
    .join('.')
}

function signIn(name: string): string {
  return `AUTH PLAIN ${Buffer.from(`\0${name || 'nobody'}\0secret`).toString('base64')}`
}

/** The fixture under another name. */
function copyOf(folder: string, name: string): string {
  const file = join(folder, `${name}.ts`)
  writeFileSync(file, readFileSync(FIXTURE, 'utf8').replace("= 'one'", `= '${name}'`))
  return file
}

async function isOpen(client: RawClient): Promise<boolean> {
  try {
    return (await client.ask('NOOP')).startsWith('250')
  } catch (error) {
    if ((error as Error).message.startsWith('closed before')) return false
    throw error
  }
}
