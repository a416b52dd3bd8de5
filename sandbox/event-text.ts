/**
 * Events as they are told to plugins: as JSON, apart from whom they are about. That is the same in every event of a
 * session or message, so it is written once, and read only by a plugin that looks at it.
 */
import type { HookEvents, HookName } from '../core/mail/hook-events.ts'

export interface EventText {
  /** JSON of the event without its subject. */
  readonly rest: string
  /** The member that says whom it is about; '' when it has none. */
  readonly subject: 'session' | 'origin' | ''
  /** JSON of that member, '' without one. */
  readonly subjectJson: string
}

/** Snapshots are replaced, never changed. */
const written = new WeakMap<object, string>()

export function textOfEvent(event: HookEvents[HookName]): EventText {
  if ('session' in event) {
    const { session, ...rest } = event
    return { rest: JSON.stringify(rest), subject: 'session', subjectJson: writtenOnce(session) }
  }
  if ('origin' in event) {
    const { origin, ...rest } = event
    return { rest: JSON.stringify(rest), subject: 'origin', subjectJson: writtenOnce(origin) }
  }
  return { rest: JSON.stringify(event), subject: '', subjectJson: '' }
}

/** The whole event again. */
export function jsonOfEvent({ rest, subject, subjectJson }: EventText): string {
  if (subject === '') return rest
  return `{"${subject}":${subjectJson}${rest === '{}' ? '}' : `,${rest.slice(1)}`}`
}

function writtenOnce(facts: object): string {
  const known = written.get(facts)
  if (known !== undefined) return known
  const json = JSON.stringify(facts)
  written.set(facts, json)
  return json
}
