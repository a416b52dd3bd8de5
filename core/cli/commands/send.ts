/** `postern send`: sends a message through the gateway, and shows what every plugin said and what became of it. */
import { readFile } from 'node:fs/promises'
import { Command } from 'commander'
import type { Control, RecordedSession } from '../../admin/control.ts'
import { ControlRefused, ControlUnreachable } from '../../admin/control-client.ts'
import type { CommandLine } from '../command-line.ts'
import { type RecipientFate, watchDelivery } from '../delivery-watch.ts'
import { CommandFault, EXIT, type ExitCode } from '../exit-code.ts'
import { wholeNumber } from '../queue-filter.ts'
import { formatDialogue, formatFates } from '../send-report.ts'
import { type Endpoint, sendingServer } from '../sending-server.ts'
import { DialogueFault, type DialogueOutcome, type Mail, sendMail, withCrlf } from '../smtp-dialogue.ts'
import { composeMessage } from '../test-message.ts'
import { formatSession } from '../way.ts'

interface SendOptions {
  readonly from: string
  readonly to?: readonly string[]
  readonly subject: string
  readonly body: string
  readonly file?: string
  readonly server?: string
  /** Seconds. */
  readonly timeout: number
}

/** The server may ask its plugins for a minute before it answers the final dot. */
const REPLY_MS = 75_000

export function sendCommand(line: CommandLine): Command {
  return new Command('send')
    .description('Send a message through the gateway and show its way, plugin by plugin.')
    .option('--from <address>', 'reverse-path; <> for a bounce', 'sender@example.test')
    .option('--to <address...>', 'recipients (default: someone at the first of our domains)')
    .option('--subject <text>', 'subject of the message', 'A test message')
    .option('--body <text>', 'text of the message', 'Sent by `postern send`.')
    .option('--file <file>', 'send this message instead (header and body)')
    .option('--server <host:port>', 'SMTP server (default: the first mx listener)')
    .option('--timeout <seconds>', 'how long to wait for the delivery', wholeNumber(0, 3_600), 10)
    .addHelpText(
      'after',
      '\nExamples:\n  postern send\n  postern send --to anna@example.test --subject "Invoice 2291" --file invoice.eml',
    )
    .action(line.action(async (options: SendOptions) => await send(line, options)))
}

/** Everything `--json` says. */
interface SendResult {
  readonly server: string
  readonly from: string
  readonly to: readonly string[]
  readonly accepted: boolean
  readonly queueId: string | null
  /** Of the first refusal. */
  readonly reference: string | null
  readonly dialogue: DialogueOutcome['exchanges']
  readonly session: RecordedSession | null
  readonly recipients: readonly RecipientFate[]
  /** Why there is no session; null when there is. */
  readonly note: string | null
}

async function send(line: CommandLine, options: SendOptions): Promise<ExitCode> {
  const mail = await compose(line, options)
  const control = await line.control()
  const server = await sendingServer(line, control, options.server)
  const outcome = await deliver(line, mail, server)
  const said = lookUp(outcome)
  const explained = await explain(control, said)
  if (!line.json) {
    const way =
      explained.session === null ? [explained.note ?? ''] : formatSession(explained.session, line.output)
    for (const text of [...formatDialogue(server.name, outcome.exchanges), '', ...way, ''])
      line.output.print(text)
  }
  const isWatched = said.queueId !== null && explained.isReachable
  const fates = isWatched
    ? await watchDelivery(control, said.queueId, outcome.recipients, options.timeout * 1_000)
    : []
  const recipients = [...fates, ...refusedFates(mail, outcome)]
  if (line.json) {
    const session = isWatched ? await control.explain(said.queueId) : explained.session
    line.output.json(resultOf(mail, server, outcome, { ...said, session, note: explained.note, recipients }))
  } else for (const text of formatFates(recipients, said.queueId, options.timeout)) line.output.print(text)
  return outcome.accepted && recipients.every(({ state }) => IS_FINE.has(state)) ? EXIT.fine : EXIT.problem
}

/** A hold or a discard is somebody's decision; mail that only waits, or was refused, is something to look into. */
const IS_FINE: ReadonlySet<RecipientFate['state']> = new Set(['delivered', 'discarded', 'held'])

type Findings = Pick<SendResult, 'queueId' | 'reference' | 'session' | 'note' | 'recipients'>

function resultOf(
  { from, to }: Mail,
  { name: server }: Endpoint,
  { accepted, exchanges: dialogue }: DialogueOutcome,
  { queueId, reference, session, note, recipients }: Findings,
): SendResult {
  return { server, from, to, accepted, queueId, reference, dialogue, session, recipients, note }
}

async function compose(line: CommandLine, options: SendOptions): Promise<Mail> {
  const from = toPath(options.from, '--from')
  const to = (options.to ?? [await defaultRecipient(line)]).map((address) => toPath(address, '--to'))
  if (to.includes(''))
    throw new CommandFault(EXIT.usage, 'A recipient needs an address: --to anna@example.test')
  if (options.file === undefined) {
    const { subject, body } = options
    return { from, to, content: composeMessage({ from, to, subject, body, at: Date.now() }) }
  }
  try {
    return { from, to, content: withCrlf(await readFile(options.file)) }
  } catch (error) {
    const message = `The message cannot be read: ${(error as Error).message}`
    throw new CommandFault(EXIT.problem, message, { cause: error })
  }
}

async function defaultRecipient(line: CommandLine): Promise<string> {
  const [domain] = Object.keys((await line.config()).domains)
  if (domain !== undefined) return `someone@${domain}`
  throw new CommandFault(
    EXIT.usage,
    'Send to whom? The configuration names no domain of ours.\nFix: name one with --to',
  )
}

/** An address as it goes between the angle brackets of MAIL and RCPT. */
function toPath(text: string, option: string): string {
  const path = text.replace(/^<(.*)>$/, '$1')
  if (/^[\x21-\x3b\x3d\x3f-\x7e]*$/.test(path)) return path
  throw new CommandFault(
    EXIT.usage,
    `${option} cannot be ${JSON.stringify(text)}: an address has no spaces, angle brackets or letters beyond ASCII.`,
  )
}

async function deliver(
  line: CommandLine,
  mail: Mail,
  { host, port, name }: Endpoint,
): Promise<DialogueOutcome> {
  try {
    return await sendMail(mail, { host, port, timeoutMs: REPLY_MS })
  } catch (error) {
    if (!(error instanceof DialogueFault)) throw error
    if (!line.json && error.exchanges.length > 0)
      for (const text of [...formatDialogue(name, error.exchanges), '']) line.output.print(text)
    throw error.unreachable
      ? new CommandFault(
          EXIT.unreachable,
          `No SMTP server answers at ${name}: ${error.message}.\nIs the gateway running? postern status`,
          { cause: error },
        )
      : new CommandFault(EXIT.problem, `The dialogue with ${name} broke off: ${error.message}.`, {
          cause: error,
        })
  }
}

/** What the replies name: the id of the stored message, the reference of the first refusal. */
function lookUp({ exchanges, accepted }: DialogueOutcome): Pick<SendResult, 'queueId' | 'reference'> {
  const find = (pattern: RegExp, texts: readonly string[]) => pattern.exec(texts.join(' '))?.[0] ?? null
  const last = accepted ? (exchanges.at(-1)?.reply.lines ?? []) : []
  const refusals = exchanges.filter(({ reply }) => reply.code >= 400).flatMap(({ reply }) => reply.lines)
  return { queueId: find(/\bq_[A-Za-z0-9]+/, last), reference: find(/\br_[A-Za-z0-9]+/, refusals) }
}

interface Explained {
  readonly session: RecordedSession | null
  /** Why there is no session; null when there is. */
  readonly note: string | null
  readonly isReachable: boolean
}

async function explain(
  control: Control,
  { queueId, reference }: Pick<SendResult, 'queueId' | 'reference'>,
): Promise<Explained> {
  const key = queueId ?? reference
  if (key === null)
    return { session: null, note: 'The reply names nothing that could be explained.', isReachable: false }
  try {
    const session = await control.explain(key)
    const note = session === null ? `The gateway at the control socket knows nothing about ${key}.` : null
    return { session, note, isReachable: true }
  } catch (error) {
    if (!(error instanceof ControlUnreachable) && !(error instanceof ControlRefused)) throw error
    const note = `What the plugins said cannot be shown: ${error.message}`
    return { session: null, note, isReachable: false }
  }
}

/** Recipients the server did not take, each with the reply it got; the final refusal is everybody's. */
function refusedFates({ to }: Mail, { exchanges, recipients }: DialogueOutcome): readonly RecipientFate[] {
  return to
    .filter((address) => !recipients.includes(address))
    .map((address) => {
      const own = exchanges.find(({ sent }) => sent === `RCPT TO:<${address}>`)
      const refusal = own === undefined || own.reply.code < 400 ? exchanges.at(-1) : own
      const detail = refusal === undefined ? '' : `${refusal.reply.code} ${refusal.reply.lines.join(' ')}`
      return { address, state: 'refused', detail, route: null, attempts: null, dueAt: null }
    })
}
