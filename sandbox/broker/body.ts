/** Capability `body`: pieces of the message body, on request. */
import { type Effect, EffectRefused, PermissionDenied } from './effect.ts'

export function bodyEffects(): readonly (readonly [string, Effect])[] {
  const chunk: Effect = {
    write: false,
    run: async ({ permissions, message }, [index]) => {
      if (!permissions.bodyRead)
        throw new PermissionDenied('body.read', 'reading the body needs the permission "body.read"')
      if (message === null) throw new EffectRefused('there is no message body at this hook')
      if (!Number.isSafeInteger(index) || (index as number) < 0)
        throw new EffectRefused('a piece has a number from 0 on')
      const bytes = await message.bodyChunk(index as number)
      // One character an octet: whatever the body is, it crosses as text unchanged.
      return bytes === undefined
        ? undefined
        : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
    },
  }
  return [['body.chunk', chunk]]
}
