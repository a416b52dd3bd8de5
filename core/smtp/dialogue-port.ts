/**
 * The seam between the wire and the conversation. The wire splits lines, takes the dots out of message content and
 * watches the socket (connection.ts); the conversation decides what is said.
 */
import type { Reply } from '../mail/reply.ts'
import type { SecureChannel } from './tls-socket.ts'

/** What the wire does next. */
export type Step = ReplyStep | ReceiveStep | ChunkStep | SecureStep

/** Says `reply`, and ends the connection with it when `closes`. */
export interface ReplyStep {
  readonly kind: 'reply'
  readonly reply: Reply
  readonly closes: boolean
}

/** Says `reply` and puts what follows into `receiver`, up to the final dot. */
export interface ReceiveStep {
  readonly kind: 'receive'
  readonly reply: Reply
  readonly receiver: Receiver
}

/** Puts the octets that follow into `receiver`, a counted number of them, and says nothing before (RFC 3030 §2). */
export interface ChunkStep {
  readonly kind: 'chunk'
  readonly octets: number
  /** A message begins with it. */
  readonly isFirst: boolean
  /** A message ends with it. */
  readonly isLast: boolean
  readonly receiver: Receiver
}

/** Says `reply` and begins the TLS handshake; nothing the client sent before is heard after it (RFC 3207 §4.2). */
export interface SecureStep {
  readonly kind: 'secure'
  readonly reply: Reply
}

/** Takes the content of one message: line ends as sent, the dots of RFC 5321 §4.5.2 taken out. */
export interface Receiver {
  /**
   * Takes one piece. Nothing returned: go on at once; a promise: wait for it. A step ends the transfer there and then.
   * Never throws and never rejects.
   */
  write(piece: Uint8Array): ReplyStep | Promise<void> | undefined
  /** The final dot was there, or the chunk is complete. Never rejects. */
  end(): Promise<ReplyStep>
}

/** How a client can break the protocol so badly that the connection ends with the reply. */
export type Violation =
  | 'early-talker'
  | 'bare-line-feed'
  | 'control-character'
  | 'line-too-long'
  | 'content-before-354'
  | 'command-before-tls'
  | 'too-slow'

/** One conversation, as the wire sees it. None of these throws or rejects. */
export interface Dialogue {
  /** The client connected: the greeting, or a refusal. */
  greet(): Promise<ReplyStep>
  /** One command line without its CRLF. The wire does not read on until the step is there. */
  command(line: Buffer): Step | Promise<Step>
  /** Octets this line may have, its CRLF not counted; `start` is its beginning. */
  lineLimit(start: string): number
  /** The handshake is done: from now on it is a new session in all but its id (RFC 3207 §4.2). */
  secured(channel: SecureChannel): void
  /** What to say before closing. */
  violated(violation: Violation): Reply
  /** What to say to a client that was silent for too long, before closing. */
  idle(): Reply
  /** What to say to a client that has nothing left to finish while we drain; null when it may go on. */
  farewell(): Reply | null
  /** The connection is gone. `cause` is an error code of the socket, '' without one. Called once. */
  ended(cause: string): void
}

export function say(reply: Reply): ReplyStep {
  return { kind: 'reply', reply, closes: false }
}

export function sayAndClose(reply: Reply): ReplyStep {
  return { kind: 'reply', reply, closes: true }
}
