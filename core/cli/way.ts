/** A recorded session for a person: what every plugin said at every hook, and what became of the mail. */
import type { Action, Decision, RecordedSession, Step } from '../admin/control.ts'
import { attemptedRecipients } from './attempt-step.ts'
import type { Output } from './output.ts'
import { formatDuration, formatMicros, formatMoment } from './quantity.ts'
import { visible } from './visible-text.ts'

type Entry = RecordedSession['entries'][number]
type Painter = Pick<Output, 'style'>

const ANSWERS = {
  none: 'no opinion',
  reject: 'REJECT',
  defer: 'DEFER',
  disconnect: 'DISCONNECT',
  fault: 'FAILED',
} as const satisfies Record<Decision['answer'], string>

const ON_ERROR: Readonly<Record<string, string>> = {
  defer: 'mail is deferred (on error: defer)',
  skip: 'the plugin was skipped (on error: skip)',
  hold: 'mail is held (on error: hold)',
}

const INDENT = '       '

/** Lines of a session: where it came from, then its entries. */
export function formatSession(session: RecordedSession, painter: Painter): readonly string[] {
  const { id, client, startedAt } = session
  const from = client.address.includes(':')
    ? `[${client.address}]:${client.port}`
    : `${client.address}:${client.port}`
  // Of mail that outlived the record of its session only the queue id is known.
  const whose =
    client.address === '' ? `Message ${visible(id)}` : `Session ${visible(id)}   from ${visible(from)}`
  return [`${whose}   ${formatMoment(startedAt)}`, '', ...formatWay(session.entries, painter)]
}

/** Lines of some entries of a session, decisions of one hook under one heading. */
export function formatWay(entries: readonly Entry[], painter: Painter): readonly string[] {
  const names = entries.flatMap((entry) => (isDecision(entry) ? [entry.plugin.length] : []))
  const width = Math.min(Math.max(12, ...names), 32)
  const lines: string[] = []
  for (const group of groups(entries)) {
    const [first] = group
    if (first === undefined) continue
    if (!isDecision(first)) lines.push(...formatStep(first))
    else {
      lines.push(painter.style('bold', visible(first.hook)))
      for (const [i, decision] of group.entries())
        if (isDecision(decision)) lines.push(...formatDecision(decision, i + 1, width, painter))
    }
  }
  return lines
}

function isDecision(entry: Entry): entry is Decision {
  return 'hook' in entry
}

/** A hook asked a second time starts anew: its first plugin comes up again. */
function groups(entries: readonly Entry[]): readonly (readonly Entry[])[] {
  const result: Entry[][] = []
  for (const entry of entries) {
    const current = result.at(-1)
    const first = current?.[0]
    const continues =
      first !== undefined &&
      isDecision(first) &&
      isDecision(entry) &&
      entry.hook === first.hook &&
      !current?.some((earlier) => isDecision(earlier) && earlier.plugin === entry.plugin)
    if (continues) current?.push(entry)
    else result.push([entry])
  }
  return result
}

function formatDecision(decision: Decision, number: number, width: number, painter: Painter): string[] {
  const { plugin, answer, status, text, code, facts, fault, onError, reference } = decision
  const word = painter.style(answer === 'none' ? 'dim' : 'red', answerWord(decision).padEnd(10))
  const time = formatMicros(decision.wallMicros).padStart(7)
  const said = [status, code, text].filter((part) => part !== '').map(visible)
  const head = `${String(number).padStart(3)}  ${visible(plugin).padEnd(width)}  ${word}  ${time}`
  const lines = [said.length === 0 ? head : `${head}   ${said.join('  ')}`]
  const compared = Object.entries(facts).map(
    ([name, value]) => `${visible(name)} = ${visible(String(value))}`,
  )
  if (compared.length > 0) lines.push(INDENT + compared.join('     '))
  for (const action of decision.actions) lines.push(INDENT + formatAction(action))
  if (fault !== null) {
    lines.push(`${INDENT}${fault.kind}: ${visible(fault.message)}`)
    if (fault.stack !== '')
      lines.push(...fault.stack.split('\n').map((line) => INDENT + visible(line.trim())))
    lines.push(INDENT + (ON_ERROR[onError ?? ''] ?? 'mail is deferred'))
  }
  if (reference !== '') lines.push(`${INDENT}reference ${visible(reference)}`)
  return lines
}

/** A plugin that wants something done has an opinion, though no refusal. */
function answerWord({ answer, actions }: Decision): string {
  return answer === 'none' && actions.length > 0 ? 'acts' : ANSWERS[answer]
}

function formatAction(action: Action): string {
  switch (action.kind) {
    case 'header.add':
      return `adds header  ${visible(action.name)}: ${visible(action.value)}`
    case 'header.remove':
      return `removes header  ${visible(action.name)}`
    case 'relay.grant':
      return 'grants relaying'
    case 'route.set':
      return `routes to  ${visible(action.destination)}${whose(action)}`
    case 'hold':
      return `holds: ${visible(action.text)}${whose(action)}`
    case 'discard':
      return `discards: ${visible(action.text)}${whose(action)}`
    case 'tag':
      return `tags  ${visible(action.name)}${action.value === '' ? '' : ` = ${visible(action.value)}`}`
    case 'expire':
      return `expires after  ${formatDuration(action.seconds * 1_000)}`
    case 'auth.accept':
      return `accepts the client as  ${visible(action.identity)}`
    default:
      // A gateway newer than this command may know more actions.
      return visible(JSON.stringify(action))
  }
}

function whose({ recipients }: { readonly recipients: readonly string[] | null }): string {
  return recipients === null ? '' : `  for ${recipients.map(visible).join(', ')}`
}

/** A step in one line: the event, then whatever stands beside it; an attempt has a line for every recipient. */
function formatStep(step: Step): readonly string[] {
  const { event, detail } = step
  const attempted = attemptedRecipients(step)
  const shown = attempted.length > 0 ? { ...detail, recipients: null } : detail
  const parts = Object.entries(shown).flatMap(([name, value]) => {
    const text = formatDetail(name, value)
    return text === '' ? [] : [`${visible(name)} = ${visible(text)}`]
  })
  const lines = attempted.map((recipient) => {
    const why = recipient.class === '' ? '' : `(${recipient.class})`
    const said = [recipient.address, recipient.result, why, recipient.detail].filter((part) => part !== '')
    return INDENT + said.map(visible).join('   ')
  })
  return [[`· ${visible(event)}`, ...parts].join('   '), ...lines]
}

/** '' for what says nothing. */
function formatDetail(name: string, value: unknown): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'string') return name === 'reversePath' ? `<${value}>` : value
  if (isTls(value)) return tlsInWords(value)
  if (typeof value === 'number') return String(Math.round(value * 10) / 10)
  if (Array.isArray(value) && value.every((member) => typeof member === 'string')) return value.join(', ')
  return JSON.stringify(value)
}

interface Tls {
  readonly version: string
  readonly cipher: string
  readonly isVerified: boolean
}

function isTls(value: unknown): value is Tls {
  return typeof value === 'object' && value !== null && 'cipher' in value && 'isVerified' in value
}

function tlsInWords({ version, cipher, isVerified }: Tls): string {
  return `${String(version)} ${String(cipher)}, ${isVerified ? 'verified' : 'not verified'}`
}
