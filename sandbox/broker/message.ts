/** Capability `message`: what is inside the message, found out by the message pool. */
import { MAX_LITERAL_BYTES, MAX_LITERALS, MAX_LITERALS_BYTES } from '../../core/content/limits.ts'
import type { MessageQuestion } from '../../core/content/message-thread.ts'
import { ContentFault, type MessageContents } from '../../core/content/pool.ts'
import type { LiteralSearch } from '../../core/mail/message-parts.ts'
import { type Caller, type Effect, EffectRefused, PermissionDenied } from './effect.ts'

const PATH = /^1(?:\.[1-9][0-9]{0,3}){0,60}$/

/** @param contents null: nobody looks into messages here */
export function messageEffects(contents: MessageContents | null): readonly (readonly [string, Effect])[] {
  const about = (kind: 'parts' | 'hash'): Effect => ({
    write: false,
    run: async (caller) => {
      if (!caller.permissions.messageParts)
        throw new PermissionDenied('message.parts', `message.${kind} needs the permission "message.parts"`)
      return ask(contents, caller, { kind })
    },
  })
  const search: Effect = {
    write: false,
    run: async (caller, [literals, options]) => {
      if (!caller.permissions.bodyRead)
        throw new PermissionDenied('body.read', 'searching the message needs the permission "body.read"')
      return ask(contents, caller, { kind: 'search', ...literalSearch(literals, options) })
    },
  }
  return [
    ['message.parts', about('parts')],
    ['message.hash', about('hash')],
    ['message.search', search],
  ]
}

/** The answer as JSON, to be read on the other side of the border: here nobody needs it. */
async function ask(
  contents: MessageContents | null,
  { message }: Caller,
  question: MessageQuestion,
): Promise<string> {
  if (message === null) throw new EffectRefused('there is no message at this hook')
  if (contents === null) throw new EffectRefused('nobody looks into messages here')
  try {
    return await contents.ask(message.content, question)
  } catch (error) {
    if (error instanceof ContentFault) throw new EffectRefused(`${error.message} (${error.kind})`)
    throw error
  }
}

function literalSearch(literals: unknown, options: unknown): LiteralSearch {
  if (!Array.isArray(literals) || literals.length === 0 || literals.length > MAX_LITERALS)
    throw new EffectRefused(`1 to ${MAX_LITERALS} literals are looked for at once`)
  let bytes = 0
  for (const literal of literals as readonly unknown[]) {
    const length = typeof literal === 'string' ? Buffer.byteLength(literal) : 0
    if (length === 0 || length > MAX_LITERAL_BYTES)
      throw new EffectRefused(`a literal is text of 1 to ${MAX_LITERAL_BYTES} octets`)
    bytes += length
  }
  if (bytes > MAX_LITERALS_BYTES)
    throw new EffectRefused(`the literals of one search have at most ${MAX_LITERALS_BYTES} octets`)
  const {
    part = null,
    ignoreCase = false,
    raw = false,
  } = (options ?? {}) as Readonly<Record<string, unknown>>
  if (part !== null && (typeof part !== 'string' || !PATH.test(part)))
    throw new EffectRefused('"part" is the path of a part, such as "1.2"')
  if (typeof ignoreCase !== 'boolean' || typeof raw !== 'boolean')
    throw new EffectRefused('"ignoreCase" and "raw" are true or false')
  return { literals: literals as readonly string[], part, ignoreCase, raw }
}
