/** Steps that say what recipients met in a delivery attempt, told from the others by their shape. */
import type { Decision, Step } from '../admin/control.ts'

export interface AttemptedRecipient {
  readonly address: string
  /** `delivered`, `deferred`, `held`, … */
  readonly result: string
  /** Where it lies, or what the next server said; '' when unknown. */
  readonly detail: string
  readonly route: string | null
  /** What kept it from being delivered, in a word; '' when nothing did. */
  readonly class: string
}

/** The recipients an entry of the record speaks of; none when it is no attempt. */
export function attemptedRecipients(entry: Decision | Step): readonly AttemptedRecipient[] {
  if (!('event' in entry)) return []
  const { recipients, route } = entry.detail
  if (!Array.isArray(recipients)) return []
  return recipients.flatMap((recipient: unknown) => {
    if (typeof recipient !== 'object' || recipient === null) return []
    const { address, result, detail, class: name } = recipient as Record<string, unknown>
    if (typeof address !== 'string' || typeof result !== 'string') return []
    return [
      {
        address,
        result,
        detail: typeof detail === 'string' ? detail : '',
        route: typeof route === 'string' ? route : null,
        class: typeof name === 'string' ? name : '',
      },
    ]
  })
}
