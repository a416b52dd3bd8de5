/** The message as received on its way to a server, piece by piece: it never lies in memory as a whole for this. */
import type { MessageReader } from '../../core/mail/hook-events.ts'
import { type Caller, EffectRefused, PermissionDenied } from './effect.ts'

/** @throws PermissionDenied, EffectRefused where there is none */
export function messageToSend({ message, permissions }: Caller): MessageReader {
  if (!permissions.bodyRead)
    throw new PermissionDenied('body.read', 'sending the message needs the permission "body.read"')
  if (!permissions.headersRead)
    throw new PermissionDenied('headers.read', 'sending the message needs the permission "headers.read"')
  if (message === null) throw new EffectRefused('there is no message at this hook')
  return message
}

export async function* chunksOf(message: MessageReader): AsyncGenerator<Uint8Array> {
  yield message.header
  for (let index = 0; ; index++) {
    const chunk = await message.bodyChunk(index)
    if (chunk === undefined) return
    yield chunk
  }
}
