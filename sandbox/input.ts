/** What a question is about, without who asks and when: the same for every copy of a message. */
import { createHash } from 'node:crypto'
import type { PluginCall } from '../core/hooks/plugin-panel.ts'
import type { MessageReader } from '../core/mail/hook-events.ts'
import type { Input } from './quarantine.ts'

/** Parts of an event that differ between two copies, or are nobody's to keep. */
const OF_THE_MOMENT = new Set([
  'session',
  'origin',
  'number',
  'queueId',
  'attempt',
  'attempts',
  'ageSeconds',
  'password',
  'token',
])
/** Written by everybody on the way, or new for every copy. */
const TRACE_FIELDS = new Set(['received', 'date', 'message-id', 'return-path', 'delivered-to'])

/** Reads the first piece of the body, where there is a message. */
export async function inputOf({ hook, event, message }: PluginCall): Promise<Input> {
  const hash = createHash('sha256').update(message === null ? hook : 'content')
  if (message === null)
    hash.update(JSON.stringify(event, (key, value: unknown) => (OF_THE_MOMENT.has(key) ? undefined : value)))
  else {
    const fields = message.headers().filter(({ name }) => !TRACE_FIELDS.has(name.toLowerCase()))
    hash.update(JSON.stringify(fields)).update(await firstPiece(message))
  }
  return { fingerprint: hash.digest('base64'), network: networkOf(hook, event) }
}

/** Without it, for want of a disk that reads, the header alone has to do. */
async function firstPiece(message: MessageReader): Promise<Uint8Array> {
  try {
    return (await message.bodyChunk(0)) ?? Buffer.of()
  } catch {
    return Buffer.of()
  }
}

/** Of a client that is there. In the queue one message of a relay's may not put off all the others it has sent. */
function networkOf(hook: PluginCall['hook'], event: PluginCall['event']): string | null {
  if (hook === 'deliver' || hook === 'tell') return null
  if ('session' in event && typeof event.session === 'object') return event.session.client.network
  if ('origin' in event && event.origin.kind === 'smtp') return event.origin.client.network
  return null
}
