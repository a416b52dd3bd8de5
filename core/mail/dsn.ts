/**
 * Builds a delivery status notification: multipart/report (RFC 6522) of an explanation, message/delivery-status
 * (RFC 3464) and the message or its header, as RFC 3461 §6 asks. Envelope: null reverse-path, NOTIFY=NEVER (§6.1).
 *
 * A sender beyond US-ASCII can read UTF-8 wherever it stands, and gets message/global-delivery-status; for others the
 * fields stay US-ASCII, and addresses in them are written as RFC 6533 §3 has it.
 */
import { formatAddress, isAscii, parseUtf8Mailbox } from './address.ts'
import { explanation } from './dsn-explanation.ts'
import { type ReturnedPart, returnedPart } from './dsn-original.ts'
import type { DsnAction, DsnReport, ReportedRecipient } from './dsn-report.ts'
import { replyOnOneLine, type StatusClass, statusClass } from './enhanced-status.ts'
import { foldedField, formatField, parseHeaderFields } from './header-fields.ts'
import { quotedPrintable } from './quoted-printable.ts'
import { mailDate } from './received.ts'
import { printable, printableUtf8 } from './reply.ts'
import { cutToOctets, encodeUtf8Address } from './utf8-address.ts'

/** Longest value of a field that comes from elsewhere, in characters; longer ones are cut. */
const MAX_VALUE_CHARACTERS = 520
/** Longest address in a field, octets. No address of an envelope is longer, not even as utf-8-addr-xtext. */
const MAX_ADDRESS_OCTETS = 900
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
  const isUtf8 = !isAscii(mailbox(formatAddress(report.to)))
  const human = explanationPart(explanation(report, returned.what), isUtf8)
  const status = statusPart(statusFields(report, isUtf8))
  const parts = [human, status, returned]
  const boundary = boundaryFor(
    report.seed,
    parts.map(({ content }) => content),
  )
  const is8bit = parts.some((part) => part.is8bit)
  return Buffer.concat([
    text(header(report, boundary, is8bit)),
    text(`${CRLF}This is a report in several parts (RFC 6522).${CRLF}`),
    ...parts.flatMap(({ fields, content }) => [text(`${CRLF}--${boundary}${CRLF}${fields}${CRLF}`), content]),
    text(`${CRLF}--${boundary}--${CRLF}`),
  ])
}

type Part = Pick<ReturnedPart, 'fields' | 'content' | 'is8bit'>

/** @param isUtf8 the reader's server takes 8-bit content, for it takes their address */
function explanationPart(words: string, isUtf8: boolean): Part {
  const isPlain = isAscii(words)
  const encoding = isUtf8 ? '8bit' : 'quoted-printable'
  return {
    fields:
      `Content-Type: text/plain; charset=${isPlain ? 'us-ascii' : 'utf-8'}${CRLF}Content-Language: en${CRLF}` +
      (isPlain ? '' : field('Content-Transfer-Encoding', encoding)),
    content: isPlain || isUtf8 ? text(words) : text(quotedPrintable(text(words))),
    is8bit: !isPlain && isUtf8,
  }
}

function statusPart(fields: string): Part {
  const is8bit = !isAscii(fields)
  const type = is8bit ? 'message/global-delivery-status' : 'message/delivery-status'
  return {
    fields: field('Content-Type', type) + (is8bit ? field('Content-Transfer-Encoding', '8bit') : ''),
    content: text(fields),
    is8bit,
  }
}

function header(report: DsnReport, boundary: string, is8bit: boolean): string {
  const { hostname, postmaster, to, at, seed, recipients } = report
  const answered = messageIdOf(report.original.bytes)
  return (
    field('From', `Mail gateway <${mailbox(postmaster)}>`) +
    foldedField('To', `<${mailbox(formatAddress(to))}>`) +
    field('Subject', subject(recipients)) +
    field('Date', mailDate(at)) +
    field('Message-ID', `<dsn.${onlyLetters(seed)}@${host(hostname)}>`) +
    // RFC 3834 §3.1.5: so that it is shown beside the message it answers.
    (answered === null ? '' : field('In-Reply-To', answered) + field('References', answered)) +
    field('Auto-Submitted', 'auto-replied') +
    field('MIME-Version', '1.0') +
    `Content-Type: multipart/report; report-type=delivery-status;${CRLF}\tboundary="${boundary}"${CRLF}` +
    field('Content-Transfer-Encoding', is8bit ? '8bit' : '7bit')
  )
}

function subject(recipients: readonly ReportedRecipient[]): string {
  const has = (action: DsnAction): boolean => recipients.some((recipient) => recipient.action === action)
  if (has('failed')) return 'Your message was not delivered'
  if (has('delayed')) return 'Your message is delayed, and still being tried'
  return has('delivered') ? 'Your message was delivered' : 'Your message was passed on'
}

/** The groups of fields of message/delivery-status, in the order of RFC 3464 §2.2 and §2.3. */
function statusFields(report: DsnReport, isUtf8: boolean): string {
  const { envelope, hostname, queueId, arrivedAt, recipients } = report
  const ofMessage =
    (envelope.envid === null ? '' : field('Original-Envelope-Id', envelope.envid)) +
    field('Reporting-MTA', `dns; ${host(hostname)}`) +
    field('Arrival-Date', mailDate(arrivedAt)) +
    field('X-Postern-Queue-Id', queueId)
  return [ofMessage, ...recipients.map((recipient) => recipientFields(recipient, isUtf8))].join(CRLF)
}

function recipientFields(recipient: ReportedRecipient, isUtf8: boolean): string {
  const { address, orcpt, action, lastWord, lastAttemptAt } = recipient
  return (
    (orcpt === null ? '' : addressField('Original-Recipient', orcpt.type, orcpt.address, isUtf8)) +
    addressField('Final-Recipient', isAscii(address) ? 'rfc822' : 'utf-8', address, isUtf8) +
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

/** RFC 3464 §2.3.1, §2.3.2; RFC 6533 §3: utf-8-address for who reads UTF-8, utf-8-addr-xtext for others. */
function addressField(name: string, type: string, address: string, isUtf8: boolean): string {
  if (type.toLowerCase() !== 'utf-8') return field(name, `${typeName(type)}; ${address}`)
  const clean = cutToOctets(printableUtf8(address.slice(0, MAX_ADDRESS_OCTETS)).trim(), MAX_ADDRESS_OCTETS)
  const written = isUtf8 ? clean : cutToOctets(encodeUtf8Address(clean, false), MAX_ADDRESS_OCTETS)
  return foldedField(name, `${type}; ${written}`)
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
  return typeof parseUtf8Mailbox(address) === 'string'
    ? printable(address.slice(0, MAX_VALUE_CHARACTERS)).replace(/[\s<>()",;:\\[\]]/g, '_')
    : printableUtf8(address)
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
  return Buffer.from(lines)
}
