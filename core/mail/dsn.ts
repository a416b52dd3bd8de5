/**
 * Builds a delivery status notification: multipart/report (RFC 6522) of an explanation, message/delivery-status
 * (RFC 3464) and the message or its header, as RFC 3461 §6 asks. Envelope: null reverse-path, NOTIFY=NEVER (§6.1).
 */
import { formatAddress, parseMailbox } from './address.ts'
import { explanation } from './dsn-explanation.ts'
import { type ReturnedPart, returnedPart } from './dsn-original.ts'
import type { DsnAction, DsnReport, ReportedRecipient } from './dsn-report.ts'
import { replyOnOneLine, type StatusClass, statusClass } from './enhanced-status.ts'
import { formatField, parseHeaderFields } from './header-fields.ts'
import { mailDate } from './received.ts'
import { printable } from './reply.ts'

/** Longest value of a field that comes from elsewhere, in characters; longer ones are cut. */
const MAX_VALUE_CHARACTERS = 520
const CRLF = '\r\n'
const MESSAGE_ID = /^<[!-;=?-~]{1,250}>$/

const CLASSES: Readonly<Record<DsnAction, readonly [StatusClass, ...StatusClass[]]>> = {
  // 4 as well: a transient failure that lasted until the message expired (RFC 3464 §2.3.4).
  failed: ['5', '4'],
  delayed: ['4'],
  relayed: ['2'],
  delivered: ['2'],
}

/**
 * The whole notice, ready to be queued: CRLF everywhere, no line longer than 998 octets, no bare CR or LF, no NUL.
 * 8-bit when the original is. Nothing in `report` can add a header field, a line or a body part.
 *
 * @throws RangeError when there is nobody to tell: the caller forgot the null reverse-path
 */
export function buildDsn(report: DsnReport): Uint8Array {
  if (formatAddress(report.to) === '') throw new RangeError('a notice needs somebody to tell')
  const isFailure = report.recipients.some(({ action }) => action === 'failed')
  const returned = returnedPart(report.original, isFailure && report.envelope.ret === 'FULL')
  const human = Buffer.from(explanation(report, returned.what), 'latin1')
  const status = Buffer.from(statusFields(report), 'latin1')
  const boundary = boundaryFor(report.seed, [human, status, returned.content])
  const delimiter = `--${boundary}${CRLF}`
  return Buffer.concat([
    text(header(report, boundary, returned)),
    text(`${CRLF}This is a report in several parts (RFC 6522).${CRLF}${CRLF}`),
    text(`${delimiter}Content-Type: text/plain; charset=us-ascii${CRLF}Content-Language: en${CRLF}${CRLF}`),
    human,
    text(`${CRLF}${delimiter}Content-Type: message/delivery-status${CRLF}${CRLF}`),
    status,
    text(`${CRLF}${delimiter}${returned.fields}${CRLF}`),
    returned.content,
    text(`${CRLF}--${boundary}--${CRLF}`),
  ])
}

function header(report: DsnReport, boundary: string, returned: ReturnedPart): string {
  const { hostname, postmaster, to, at, seed, recipients } = report
  const answered = messageIdOf(report.original.bytes)
  return (
    field('From', `Mail gateway <${mailbox(postmaster)}>`) +
    field('To', `<${mailbox(formatAddress(to))}>`) +
    field('Subject', subject(recipients)) +
    field('Date', mailDate(at)) +
    field('Message-ID', `<dsn.${onlyLetters(seed)}@${host(hostname)}>`) +
    // RFC 3834 §3.1.5: so that it is shown beside the message it answers.
    (answered === null ? '' : field('In-Reply-To', answered) + field('References', answered)) +
    field('Auto-Submitted', 'auto-replied') +
    field('MIME-Version', '1.0') +
    `Content-Type: multipart/report; report-type=delivery-status;${CRLF}\tboundary="${boundary}"${CRLF}` +
    field('Content-Transfer-Encoding', returned.is8bit ? '8bit' : '7bit')
  )
}

function subject(recipients: readonly ReportedRecipient[]): string {
  const has = (action: DsnAction): boolean => recipients.some((recipient) => recipient.action === action)
  if (has('failed')) return 'Your message was not delivered'
  if (has('delayed')) return 'Your message is delayed, and still being tried'
  return has('delivered') ? 'Your message was delivered' : 'Your message was passed on'
}

/** The groups of fields of message/delivery-status, in the order of RFC 3464 §2.2 and §2.3. */
function statusFields(report: DsnReport): string {
  const { envelope, hostname, queueId, arrivedAt, recipients } = report
  const ofMessage =
    (envelope.envid === null ? '' : field('Original-Envelope-Id', envelope.envid)) +
    field('Reporting-MTA', `dns; ${host(hostname)}`) +
    field('Arrival-Date', mailDate(arrivedAt)) +
    field('X-Postern-Queue-Id', queueId)
  return [ofMessage, ...recipients.map(recipientFields)].join(CRLF)
}

function recipientFields(recipient: ReportedRecipient): string {
  const { address, orcpt, action, lastWord, lastAttemptAt } = recipient
  return (
    (orcpt === null ? '' : field('Original-Recipient', `${typeName(orcpt.type)}; ${orcpt.address}`)) +
    field('Final-Recipient', `rfc822; ${address}`) +
    field('Action', action) +
    field('Status', statusOf(recipient)) +
    (lastWord.host === null || lastWord.host === ''
      ? ''
      : field('Remote-MTA', `dns; ${host(lastWord.host)}`)) +
    diagnostic(recipient) +
    (lastAttemptAt === null ? '' : field('Last-Attempt-Date', mailDate(lastAttemptAt))) +
    (recipient.action === 'delayed' ? field('Will-Retry-Until', mailDate(recipient.retryUntil)) : '')
  )
}

/** RFC 3464 §2.3.6: the remote's words as they were, ours under a name of our own. */
function diagnostic({ lastWord }: ReportedRecipient): string {
  const type = lastWord.kind === 'reply' ? 'smtp' : 'x-postern'
  const words = replyOnOneLine(lastWord.text)
  return words === '' ? '' : field('Diagnostic-Code', `${type}; ${words}`)
}

function statusOf({ action, status }: ReportedRecipient): string {
  const classes = CLASSES[action]
  return classes.some((one) => one === statusClass(status)) ? status : `${classes[0]}.0.0`
}

/**
 * A boundary that occurs in none of the parts: the seed makes that practically sure, the search makes it so. With
 * `=_` in front it cannot occur in quoted-printable text at all.
 */
function boundaryFor(seed: string, parts: readonly Uint8Array[]): string {
  const buffers = parts.map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength))
  const stem = `=_postern_${onlyLetters(seed)}`
  let boundary = stem
  for (let n = 1; buffers.some((part) => part.includes(boundary)); n++) boundary = `${stem}_${n}`
  return boundary
}

/** The Message-ID in the original's header, null without a well-formed one. */
function messageIdOf(bytes: Uint8Array): string | null {
  const found = parseHeaderFields(bytes.subarray(0, 64 * 1024)).find(({ name }) => /^message-id$/i.test(name))
  const id = found?.value.trim() ?? ''
  return MESSAGE_ID.test(id) ? id : null
}

/** A field whose value cannot be more than a value: printable, of bounded length, folded where it is long. */
function field(name: string, value: string): string {
  const clean = printable(value.slice(0, 2 * MAX_VALUE_CHARACTERS)).trim()
  const isLong = clean.length > MAX_VALUE_CHARACTERS
  return formatField(name, isLong ? `${clean.slice(0, MAX_VALUE_CHARACTERS - 3)}...` : clean)
}

/** An address for a header field, without what could end it or begin another where it is none (RFC 5322 §3.4). */
function mailbox(address: string): string {
  return typeof parseMailbox(address) === 'string'
    ? printable(address.slice(0, MAX_VALUE_CHARACTERS)).replace(/[\s<>()",;:\\[\]]/g, '_')
    : address
}

/** A host name, or an address as the literal of RFC 5321 §4.1.3; anything else loses what it must not have. */
function host(name: string): string {
  const clean = name.slice(0, 255).replace(/[^A-Za-z0-9.:_[\]-]/g, '_')
  if (/^[0-9.]+$/.test(clean)) return `[${clean}]`
  return clean.includes(':') && !clean.startsWith('[') ? `[IPv6:${clean}]` : clean
}

function typeName(type: string): string {
  return type.slice(0, 100).replace(/[^!-:<-~]/g, '_')
}

function onlyLetters(seed: string): string {
  return seed.replace(/[^A-Za-z0-9]/g, '').slice(0, 40)
}

function text(lines: string): Uint8Array {
  return Buffer.from(lines, 'latin1')
}
