/** What an exchange of the client came to, in the words of outcome.ts. */
import type { Met, Phase } from './outcome.ts'
import type { SMTPError } from './smtp-connection.ts'

const COMMAND_PHASES: Readonly<Record<string, Phase>> = {
  'MAIL FROM': 'mail',
  'RCPT TO': 'rcpt',
  DATA: 'data',
}

export function metOf(error: SMTPError, phase: Phase): Met {
  const { code, command = '', response } = error
  if (code === 'ESTREAM') return unreadable(error)
  if (code === 'EMESSAGE' && response === undefined && command === 'MAIL FROM') {
    return { kind: 'too-large', text: error.message }
  }
  const isReply = code === 'EENVELOPE' || code === 'EMESSAGE' || error.responseCode === 421
  if (!isReply || response === undefined) return trouble(phase, error)
  return reply(code === 'EMESSAGE' ? 'dot' : (COMMAND_PHASES[command] ?? phase), error)
}

export function unreadable(error: unknown): Met {
  const reason = error instanceof Error ? error.message : String(error)
  return { kind: 'local', text: `the stored message cannot be read: ${reason}` }
}

/** What was said to single recipients; with MAIL refused the replies to RCPT only say that it was. */
export function refusedBy(answer: Met, errors: readonly SMTPError[]): ReadonlyMap<string, Met> {
  if (answer.kind === 'reply' && answer.phase === 'mail') return new Map()
  return new Map(errors.map((error) => [error.recipient ?? '', reply('rcpt', error)]))
}

export function reply(phase: Phase, { response = '' }: SMTPError): Met {
  return replyText(phase, response)
}

export function replyText(phase: Phase, text: string): Met & { kind: 'reply' } {
  return { kind: 'reply', phase, code: Number(/^\d{3}(?=[ \n-]|$)/.exec(text)?.[0] ?? 0), text }
}

export function trouble(phase: Phase, error: Error): Met {
  return { kind: 'trouble', phase, text: error.message }
}

export function isPositive(met: Met): boolean {
  return met.kind === 'reply' && met.code >= 200 && met.code < 300
}

/** A reply after which the session goes on. */
export function isOrderlyRefusal(met: Met): boolean {
  if (met.kind === 'too-large') return true
  return met.kind === 'reply' && met.code >= 400 && met.code < 600 && met.code !== 421
}
