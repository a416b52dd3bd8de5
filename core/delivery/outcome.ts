/**
 * What a remote's reply or an input/output error means for the mail: the only place where that is decided
 * (RFC 5321 §4.2.1, §4.5.4.1).
 */
import { printable } from '../mail/reply.ts'

/** What the remote was answering, or what was going on when it did not. `dot`: the body, its final dot included. */
export type Phase = 'connect' | 'hello' | 'tls' | 'auth' | 'mail' | 'rcpt' | 'data' | 'dot'

/** What one recipient of an attempt met. `text` is as the remote sent it: any length, any character. */
export type Met =
  /** A whole reply; `text` begins with its code. `code` is 0 when there was none. */
  | {
      readonly kind: 'reply'
      readonly phase: Phase
      readonly code: number
      readonly text: string
      /** The remote was given the DSN parameters too, and tells the sender itself (RFC 3461 §5.2.1). */
      readonly isDsnPassedOn?: boolean
    }
  /** No reply: refused, timed out, broken off, or nothing that SMTP knows. */
  | { readonly kind: 'trouble'; readonly phase: Phase; readonly text: string }
  /** The remote announced a limit the message is above (RFC 1870 §6). */
  | { readonly kind: 'too-large'; readonly text: string }
  /** No host was found or reached. The class of `status` (RFC 3463) says whether that is final. */
  | { readonly kind: 'no-host'; readonly status: `${4 | 5}.${string}`; readonly text: string }
  /** This envelope cannot be said by the protocol of this route. */
  | { readonly kind: 'unsendable'; readonly status?: string; readonly text: string }
  /** Nobody can follow this route: a mistake in our configuration. */
  | { readonly kind: 'misrouted'; readonly text: string }
  /** Trouble of our own: disk, spool, store. */
  | { readonly kind: 'local'; readonly text: string }
  /** A plugin's word, before anybody was asked outside. The class of `status` (RFC 3463) says whether it is final. */
  | { readonly kind: 'policy'; readonly status: string; readonly text: string; readonly plugin: string }
  /** Taken over by a destination without a remote. */
  | { readonly kind: 'kept'; readonly text: string }

/** Who else would have met the same: nobody, every recipient of the message, every message, or we are to blame. */
export type Level = 'recipient' | 'message' | 'host' | 'local'

export interface Outcome {
  readonly level: Level
  readonly result: 'delivered' | 'deferred' | 'failed'
  /** Printable US-ASCII, at most MAX_DETAIL characters. */
  readonly detail: string
}

export const MAX_DETAIL = 500

/** What the remote was asked, as an operator reads it. */
const ASKED: Record<Phase, string> = {
  connect: 'on connecting',
  hello: 'in reply to EHLO',
  tls: 'in reply to STARTTLS',
  auth: 'in reply to AUTH',
  mail: 'in reply to MAIL',
  rcpt: 'in reply to RCPT',
  data: 'in reply to DATA',
  dot: 'in reply to the message',
}

/**
 * Codes by which a host says that it wants other credentials or encryption (RFC 4954 §6, RFC 3207 §4). That is between
 * the host and us, no word about the message.
 */
const WANTS_CREDENTIALS: ReadonlySet<number> = new Set([530, 534, 535, 538])

/** Before the first transaction nothing is said about a message. */
const HANDSHAKE: ReadonlySet<Phase> = new Set(['connect', 'hello', 'tls', 'auth'])

/** Decides. Everything that is not plainly a yes or a no is a deferral. */
export function outcomeOf(met: Met): Outcome {
  switch (met.kind) {
    case 'reply':
      return ofReply(met.phase, met.code, met.text)
    case 'trouble':
      // Behind the dot it may be the message that the remote stumbles over; before it the host is unwell.
      return outcome(
        met.phase === 'dot' ? 'message' : 'host',
        'deferred',
        `${oneLine(met.text)} (${DURING[met.phase]})`,
      )
    case 'too-large':
      return outcome('message', 'failed', met.text)
    case 'no-host':
      return outcome('host', met.status.startsWith('5') ? 'failed' : 'deferred', `${met.status} ${met.text}`)
    case 'unsendable':
      return outcome('recipient', 'failed', met.status === undefined ? met.text : `${met.status} ${met.text}`)
    case 'misrouted':
      return outcome('local', 'failed', met.text)
    case 'local':
      return outcome('local', 'deferred', met.text)
    case 'policy': {
      const detail = `${met.status} ${met.text} (${met.plugin} at deliver)`
      return outcome('local', met.status.startsWith('5') ? 'failed' : 'deferred', detail)
    }
    case 'kept':
      return outcome('recipient', 'delivered', met.text)
  }
}

const DURING: Record<Phase, string> = {
  connect: 'while connecting',
  hello: 'after EHLO',
  tls: 'while starting TLS',
  auth: 'while signing in',
  mail: 'in the envelope',
  rcpt: 'after RCPT',
  data: 'after DATA',
  dot: 'before the message was answered for',
}

function ofReply(phase: Phase, code: number, text: string): Outcome {
  const detail = `${oneLine(text)} (${ASKED[phase]})`
  if (HANDSHAKE.has(phase) || code === 421 || WANTS_CREDENTIALS.has(code))
    return outcome('host', 'deferred', detail)
  if (phase === 'dot' && code >= 200 && code < 300) return outcome('message', 'delivered', oneLine(text))
  return outcome(
    phase === 'rcpt' ? 'recipient' : 'message',
    isRefusal(phase, code) ? 'failed' : 'deferred',
    detail,
  )
}

/** 5yz, but for a session out of step (503) and "too many recipients" as RFC 821 had it (RFC 5321 §4.5.3.1.10). */
function isRefusal(phase: Phase, code: number): boolean {
  return code >= 500 && code < 600 && code !== 503 && !(code === 552 && phase === 'rcpt')
}

/** Whether this reply to RCPT may only say that the transaction is full: 452, or 552 of old (RFC 5321 §4.5.3.1.10). */
export function mayMeanTooManyRecipients(met: Met): boolean {
  return met.kind === 'reply' && met.phase === 'rcpt' && (met.code === 452 || met.code === 552)
}

function outcome(level: Level, result: Outcome['result'], detail: string): Outcome {
  return { level, result, detail: shortened(detail) }
}

/** A reply of several lines as one, the code only in front. */
function oneLine(text: string): string {
  // Cut first: a hostile reply may have a hundred thousand lines.
  return text
    .slice(0, 4 * MAX_DETAIL)
    .replace(/\r?\n(?:\d{3}(?:[ -]|$))?/g, ' ')
    .slice(0, MAX_DETAIL - 40)
    .replace(/^(\d{3})-/, '$1 ')
}

function shortened(text: string): string {
  const clean = printable(text.slice(0, 4 * MAX_DETAIL)).trim()
  return clean.length <= MAX_DETAIL ? clean : `${clean.slice(0, MAX_DETAIL - 3)}...`
}
