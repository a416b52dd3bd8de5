/** One message sent to a server in memory, and what became of it. */
import type { Action } from '../../../core/mail/answer.ts'
import type { HookName } from '../../../core/mail/hook-events.ts'
import type { NewMessage } from '../../../core/queue/queue-store.ts'
import { pass, type TestPlugin } from './panel.ts'
import { relayControl, TestServer, type TestServerOptions } from './test-server.ts'

export const FROM = 'a@client.example'
export const TO = ['user@example.test']
export const CONTENT = 'Subject: hello\r\nX-Old: 1\r\n\r\nbody'

/** A plugin that wants this done at this hook. */
export const acting = (hook: HookName, ...actions: readonly Action[]): TestPlugin => ({
  name: `at-${hook}`,
  hooks: { [hook]: () => pass(...actions) },
})

export interface Sent {
  readonly server: TestServer
  readonly reply: string
  readonly message: NewMessage | undefined
}

/** One message to a server of its own; what became of it when the client has gone. */
export async function send(
  plugins: readonly TestPlugin[],
  to: readonly string[] = TO,
  content = CONTENT,
  options: TestServerOptions = {},
): Promise<Sent> {
  const server = await TestServer.start({ ...options, plugins: [relayControl, ...plugins] })
  const client = await server.greeted()
  const reply = await client.send(FROM, to, content)
  await client.ask('QUIT')
  await client.closed()
  await server.stop()
  return { server, reply, message: server.stored.at(-1) }
}
