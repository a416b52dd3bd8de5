/** A client with one message: from the connection to the good-bye. */
import { RawClient } from '../../support/raw-client.ts'

export interface SessionOptions {
  readonly port: number
  /** Address of the client's own end. */
  readonly from: string
  readonly content: Uint8Array
}

export const SMALL = messageOf(2_000)

/** A message of about so many octets. */
export function messageOf(bytes: number, line = `${'x'.repeat(76)}\r\n`): Buffer {
  const head = 'From: sender@client.example\r\nTo: rcpt@example.test\r\nSubject: measured\r\n\r\n'
  return Buffer.from(
    head + line.repeat(Math.max(1, Math.ceil((bytes - head.length) / line.length))),
    'latin1',
  )
}

/** Milliseconds it took. @throws when any reply is no yes */
export async function timedSession({ port, from, content }: SessionOptions): Promise<number> {
  const startedAt = performance.now()
  using client = await RawClient.greeted({ port, from })
  const reply = await client.send('sender@client.example', ['rcpt@example.test'], content)
  if (!reply.startsWith('250')) throw new Error(reply)
  await client.expect('221', 'QUIT')
  return performance.now() - startedAt
}

/** Milliseconds from the first packet to the greeting. */
export async function timedGreeting(port: number, from: string): Promise<number> {
  const startedAt = performance.now()
  using client = await RawClient.connect({ port, from })
  await client.expect('220', null)
  return performance.now() - startedAt
}
