/**
 * Relay permission: the one place that decides whether a recipient may be taken at all. It is granted by a plugin that
 * holds the permission to grant it, and by nothing else: no other answer opens the relay (RFC 5321 §3.6.2, §7.9).
 */
import type { HookOutcome } from '../hooks/runner.ts'
import type { ClientSession } from './client-session.ts'
import type { ReplyStep } from './dialogue-port.ts'
import { refuse } from './refusal.ts'

/** Refuses a recipient for whom nobody granted permission; null when somebody did. */
export function relayRefusal(
  client: ClientSession,
  recipient: string,
  outcome: HookOutcome,
): ReplyStep | null {
  if (outcome.actions.some(({ action }) => action.kind === 'relay.grant')) return null
  const facts = { recipient, trusted: client.facts.trusted, identity: client.facts.identity }
  // A plugin that failed may be the one that would have granted: trouble of ours, so the mail is only delayed.
  return outcome.incomplete
    ? refuse(client, {
        hook: 'rcpt',
        code: 451,
        status: '4.3.0',
        text: 'Relay permission cannot be decided now',
        reason: 'RELAY_UNDECIDED',
        facts,
      })
    : refuse(client, {
        hook: 'rcpt',
        code: 550,
        status: '5.7.1',
        text: 'Relaying denied',
        reason: 'RELAY_NOT_GRANTED',
        facts,
      })
}
