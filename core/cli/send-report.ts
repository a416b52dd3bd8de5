/** What `postern send` prints before and after the way of a message: the dialogue, and everybody's fate. */
import type { RecipientFate } from './delivery-watch.ts'
import { formatRelative } from './quantity.ts'
import type { Exchange } from './smtp-dialogue.ts'
import { visible } from './visible-text.ts'

const SENT_WIDTH = 44

const WORDS = {
  delivered: 'Delivered',
  discarded: 'Discarded',
  held: 'Held',
  deferred: 'Deferred',
  bounced: 'Bounced',
  waiting: 'Waiting',
  refused: 'Refused',
} as const satisfies Record<RecipientFate['state'], string>

const SHOWS_ROUTE: ReadonlySet<RecipientFate['state']> = new Set(['delivered', 'deferred', 'waiting'])

/** The essence of a dialogue: every command with the first line of its reply. */
export function formatDialogue(server: string, exchanges: readonly Exchange[]): readonly string[] {
  return [
    `Server ${visible(server)}`,
    ...exchanges.map(({ sent, reply }) => {
      const said = `${reply.code} ${visible(reply.lines[0] ?? '')}`.trimEnd()
      return `  C  ${visible(sent).padEnd(SENT_WIDTH)}  S  ${said}`
    }),
  ]
}

/** A line for every recipient, and what to do next where there is something to do. */
export function formatFates(
  fates: readonly RecipientFate[],
  queueId: string | null,
  timeoutSeconds: number,
): readonly string[] {
  const states = new Set(fates.map(({ state }) => state))
  const id = queueId ?? 'ID'
  return [
    ...(queueId === null ? [] : [`Accepted as ${queueId}.`]),
    ...fates.map(formatFate),
    ...(states.has('held') ? [`To let it go:         postern queue release ${id}`] : []),
    ...(states.has('deferred') ? [`To try again at once: postern queue retry ${id}`] : []),
    ...(states.has('waiting')
      ? [`Nothing showed within ${timeoutSeconds} s. See what becomes of it: postern queue show ${id}`]
      : []),
  ]
}

function formatFate({ address, state, detail, route, dueAt }: RecipientFate): string {
  const next =
    state === 'deferred' && dueAt !== null ? `   next attempt ${formatRelative(dueAt, Date.now())}` : ''
  const why = detail === '' ? '' : `   ${visible(detail)}`
  const where = route !== null && SHOWS_ROUTE.has(state) ? `   ${visible(route)}` : ''
  return `${WORDS[state].padEnd(9)}  ${visible(address)}${where}${why}${next}`
}
