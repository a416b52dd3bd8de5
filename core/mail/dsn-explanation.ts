/** The first part of a notice: what happened, in plain English, for the one who sent the message (RFC 3464 §2.1). */
import type { ReturnedPart } from './dsn-original.ts'
import type { DsnAction, DsnReport, LastWord, ReportedRecipient } from './dsn-report.ts'
import { replyLines } from './enhanced-status.ts'
import { mailDate } from './received.ts'
import { printable, printableUtf8 } from './reply.ts'
import { cutToOctets } from './utf8-address.ts'

const WIDTH = 72
const MAX_REPLY_LINES = 8
/** Longer than any address and host name that a parser lets through. */
const MAX_NAME_CHARACTERS = 400
const MAX_ADDRESS_OCTETS = 800

/** In the order of what the reader has to know first. */
const HEADINGS: readonly (readonly [DsnAction, string])[] = [
  ['failed', 'NOT DELIVERED, and it will not be tried again:'],
  ['delayed', 'NOT DELIVERED YET, but still being tried. You need not send it again:'],
  ['relayed', 'PASSED ON to a server that may send no notices of its own:'],
  ['delivered', 'DELIVERED:'],
]

const ATTACHED: Readonly<Record<ReturnedPart['what'], string>> = {
  message: 'Your message is attached.',
  header: 'The header of your message is attached.',
  'header-of-large': 'Your message is too large to be sent back; its header is attached.',
  'header-of-unfit': 'Your message cannot be sent back as it is, so only its header is attached.',
}

/** Lines with CRLF, none longer than 998 characters; US-ASCII unless an address is not. */
export function explanation(report: DsnReport, returned: ReturnedPart['what']): string {
  const { hostname, postmaster, arrivedAt, queueId, recipients } = report
  const intro =
    `This is an automatic notice of the mail gateway ${named(hostname)}. It is about the message that arrived ` +
    `from you on ${mailDate(arrivedAt)}.`
  const lines: string[] = wrapped(intro, '')
  for (const [action, heading] of HEADINGS) {
    const concerned = recipients.filter((recipient) => recipient.action === action)
    if (concerned.length === 0) continue
    lines.push('', ...wrapped(heading, ''))
    for (const recipient of concerned) lines.push('', ...recipientLines(recipient))
  }
  const ask = `If you have questions, write to ${named(postmaster)} and name the message ${named(queueId)}.`
  lines.push('', ...wrapped(ATTACHED[returned], ''), ...wrapped(ask, ''))
  return `${lines.join('\r\n')}\r\n`
}

function recipientLines(recipient: ReportedRecipient): readonly string[] {
  const { address, orcpt, lastWord } = recipient
  const lines = [`  <${addressed(address)}>`]
  if (orcpt !== null && addressed(orcpt.address) !== addressed(address))
    lines.push(`    which you addressed as ${addressed(orcpt.address)}`)
  lines.push(...wrapped(sentence(recipient), '    '))
  if (lastWord.kind === 'reply')
    for (const line of replyLines(lastWord.text, MAX_REPLY_LINES)) lines.push(`      ${line}`)
  if (recipient.action === 'delayed')
    lines.push(...wrapped(`It will be tried again until ${mailDate(recipient.retryUntil)}.`, '    '))
  return lines
}

/** What happened, up to the remote's own words where there are any. */
function sentence(recipient: ReportedRecipient): string {
  const { lastWord } = recipient
  const host = named(lastWord.host ?? '')
  const server = host === '' ? null : `the server ${host}`
  switch (recipient.action) {
    case 'failed':
      return recipient.expired
        ? `It was tried until its time was over. ${lastAttempt(lastWord, server)}`
        : refusal(lastWord, server)
    case 'delayed':
      return lastAttempt(lastWord, server)
    case 'relayed':
    case 'delivered': {
      const verb = recipient.action === 'relayed' ? 'It was passed on' : 'It was delivered'
      const where = server === null ? '' : ` to ${server}`
      if (lastWord.kind === 'reply') return `${verb}${where}, which answered:`
      return `${verb}${where}${ending(lastWord.text)}`
    }
  }
}

function refusal(lastWord: LastWord, server: string | null): string {
  if (lastWord.kind === 'reply')
    return `${capital(server ?? 'the next server')} refused it for good, with the words:`
  const where = server === null ? '' : ` by ${server}`
  return `It could not be delivered${where}${ending(lastWord.text)}`
}

function lastAttempt(lastWord: LastWord, server: string | null): string {
  if (lastWord.kind === 'reply')
    return `${capital(server ?? 'the next server')} answered the last attempt with the words:`
  const where = server === null ? '' : ` to ${server}`
  return `The last attempt${where} did not succeed${ending(lastWord.text)}`
}

/** The end of a sentence: our own words, where there are any, and one full stop. */
function ending(text: string): string {
  const words = named(text).replace(/\.+$/, '')
  return words === '' ? '.' : `: ${words}.`
}

/** One line of text from elsewhere, fit to stand in a sentence. */
function named(text: string): string {
  const clean = printable(text.slice(0, 2 * MAX_NAME_CHARACTERS)).trim()
  return clean.length <= MAX_NAME_CHARACTERS ? clean : `${clean.slice(0, MAX_NAME_CHARACTERS - 3)}...`
}

/** An address as its owner writes it (RFC 6533 §4), at most MAX_ADDRESS_OCTETS long. */
function addressed(address: string): string {
  return cutToOctets(printableUtf8(address.slice(0, MAX_ADDRESS_OCTETS)).trim(), MAX_ADDRESS_OCTETS)
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** Broken between words; a word longer than a line has a line of its own. */
function wrapped(text: string, indent: string): string[] {
  const lines: string[] = []
  let line = indent
  for (const word of text.split(' ')) {
    if (word === '') continue
    const isFirst = line === indent
    if (!isFirst && line.length + 1 + word.length > WIDTH) {
      lines.push(line)
      line = indent + word
    } else line += isFirst ? word : ` ${word}`
  }
  if (line !== indent) lines.push(line)
  return lines
}
