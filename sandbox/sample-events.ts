/** Made-up events for every hook, as an ordinary day has them: to measure a plugin by, not to test one. */
import type { HookEvents, HookName } from '../core/mail/hook-events.ts'
import type { Origin, Session, Transaction } from '../core/mail/session.ts'

/** The message of a sample: a short text with an attachment, lines with CRLF (RFC 5322 §2.1). */
export const SAMPLE_MESSAGE = [
  'From: Ada <ada@sender.example>',
  'To: anna@example.test',
  'Subject: =?utf-8?Q?The_report_f=C3=BCr_you?=',
  'Date: Thu, 01 Jan 2026 12:00:00 +0000',
  'Message-ID: <sample@sender.example>',
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary=part',
  '',
  '--part',
  'Content-Type: text/plain; charset=utf-8',
  '',
  ...Array<string>(20).fill('The quick brown fox jumps over the lazy dog, see https://example.test/fox'),
  '--part',
  'Content-Type: application/pdf; name=report.pdf',
  'Content-Disposition: attachment; filename=report.pdf',
  'Content-Transfer-Encoding: base64',
  '',
  ...Array<string>(40).fill(Buffer.alloc(57, '%PDF-1.7').toString('base64')),
  '--part--',
  '',
].join('\r\n')

/** Clients and recipients there are; events repeat after them. */
const CLIENTS = 50

/** Event number `n` of a hook: another client and recipient than the one before. */
export function sampleEvent<H extends HookName>(hook: H, n: number): HookEvents[H] {
  const who = n % CLIENTS
  const session = sampleSession(who, hook)
  const recipient = `anna${who}@example.test`
  const about = { origin: originOf(session), reversePath: 'ada@sender.example' }
  const message = { sizeBytes: SAMPLE_MESSAGE.length }
  const domain = { name: 'example.test', ours: true }
  const transaction: Transaction = {
    number: 1,
    reversePath: about.reversePath,
    declaredSize: message.sizeBytes,
    recipients: hook === 'data' ? [recipient] : [],
    tags: [],
  }
  const route = 'smtp://192.0.2.25:25'
  const events: { readonly [hook in HookName]: () => HookEvents[hook] } = {
    connect: () => ({ session }),
    helo: () => ({ session }),
    auth: () => ({ session, method: 'PLAIN', identity: 'ada', password: 'a password', token: null }),
    mail: () => ({ session, transaction }),
    rcpt: () => ({ session, transaction, recipient, localPart: `anna${who}`, domain }),
    data: () => ({ session, transaction, message }),
    queue: () => ({ ...about, message, recipients: [{ address: recipient, domain, route }] }),
    deliver: () => ({
      ...about,
      message,
      queueId: 'q_000000000001',
      recipients: [{ address: recipient, attempts: 0 }],
      route,
      attempt: 1,
      ageSeconds: 0,
    }),
    tell: () => ({
      ...about,
      type: 'delivered',
      queueId: 'q_000000000001',
      recipients: [{ address: recipient, detail: '250 2.0.0 Ok' }],
      route,
      remote: '192.0.2.25:25',
      attempt: 'a_000000000001',
      expired: false,
    }),
  }
  return events[hook]()
}

function sampleSession(who: number, hook: HookName): Session {
  const address = `192.0.2.${who + 1}`
  return {
    id: `s_sample${who}`,
    client: { address, port: 40_000, network: address },
    role: 'mx',
    listener: '198.51.100.1:25',
    trusted: false,
    hello: hook === 'connect' ? null : { verb: 'EHLO', name: `client${who}.sender.example` },
    tls: null,
    identity: null,
  }
}

function originOf({ id, client, hello, tls, identity }: Session): Origin {
  return { kind: 'smtp', session: id, client, hello, tls, identity, tags: [] }
}
