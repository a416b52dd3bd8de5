/** BDAT (RFC 3030): content in chunks of a counted length, in the place of DATA. */
import { reply } from '../mail/reply.ts'
import type { ClientSession } from './client-session.ts'
import { beginMessage } from './data.ts'
import { type Step, say, sayAndClose } from './dialogue-port.ts'

/** A chunk that is not the last one and smaller than this carries next to nothing: it is counted like NOOP. */
const SMALL_CHUNK_BYTES = 512

export interface Chunk {
  readonly octets: number
  readonly isLast: boolean
}

/** The chunk this argument announces, null when nobody can say where it ends. */
export function parseChunk(argument: string): Chunk | null {
  const [, octets, last] = /^(\d{1,15})( +LAST)?$/i.exec(argument) ?? []
  return octets === undefined ? null : { octets: Number(octets), isLast: last !== undefined }
}

/** Whether there is hardly anything in the chunk this argument announces. */
export function isSmallChunk(argument: string): boolean {
  const chunk = parseChunk(argument)
  return chunk !== null && !chunk.isLast && chunk.octets < SMALL_CHUNK_BYTES
}

export function bdat(client: ClientSession, argument: string): Step {
  const chunk = parseChunk(argument)
  // What follows may be content, and content must not be taken for commands.
  if (chunk === null)
    return sayAndClose(reply(501, '5.5.4', 'BDAT needs a number of octets, and perhaps LAST'))
  const { state } = client
  const isFirst = state.phase === 'transaction'
  const incoming = state.phase === 'message' ? state.incoming : beginMessage(client, 'BDAT')
  if ('code' in incoming) return say(incoming)
  const { octets, isLast } = chunk
  return {
    kind: 'chunk',
    octets,
    isFirst,
    isLast,
    receiver: {
      write: (piece) => incoming.write(piece),
      end: async () => (isLast ? incoming.end() : incoming.pause(octets)),
    },
  }
}
