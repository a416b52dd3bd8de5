/** A thread that looks into messages, one at a time. It may be ended at any moment. */
import { createHash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import type { Content } from '../mail/message.ts'
import type { LiteralSearch } from '../mail/message-parts.ts'
import { searchMessage } from './literal-search.ts'
import { type MessageBytes, readMessage } from './message-file.ts'
import { messagePartsJson } from './taking-apart.ts'

/** What can be asked about a message. */
export type MessageQuestion =
  | { readonly kind: 'parts' }
  | { readonly kind: 'hash' }
  | ({ readonly kind: 'search' } & LiteralSearch)

export interface ThreadRequest {
  readonly id: number
  readonly question: MessageQuestion
  readonly content: Content
}

/** The answer as JSON. */
export type ThreadAnswer =
  | { readonly id: number; readonly json: string }
  | { readonly id: number; readonly fault: string }

parentPort?.on('message', (request: ThreadRequest) => parentPort?.postMessage(answerTo(request)))

function answerTo({ id, question, content }: ThreadRequest): ThreadAnswer {
  try {
    return { id, json: answer(question, readMessage(content)) }
  } catch (error) {
    return { id, fault: (error as Error).message }
  }
}

function answer(question: MessageQuestion, { bytes, sizeBytes }: MessageBytes): string {
  switch (question.kind) {
    case 'parts':
      return messagePartsJson(bytes, sizeBytes)
    case 'search':
      return JSON.stringify(searchMessage(bytes, question))
    case 'hash':
      if (sizeBytes > bytes.length) throw new RangeError('the message is longer than what is looked at')
      return JSON.stringify(createHash('sha256').update(bytes).digest('hex'))
  }
}
