/** A small SMTP client (RFC 5321): one message, one command after the other, every reply kept to be shown. */
import { connect, type Socket } from 'node:net'
import { SmtpReplies, type SmtpReply } from './smtp-replies.ts'

export interface Exchange {
  /** What was sent, as it is shown; '' for the greeting. */
  readonly sent: string
  readonly reply: SmtpReply
}

export interface Mail {
  /** '' is the null reverse-path. */
  readonly from: string
  /** Not empty. */
  readonly to: readonly string[]
  /** Lines end with CRLF; the final dot and its stuffing are added here. */
  readonly content: Buffer
}

export interface DialogueOutcome {
  /** Everything said, the final reply included, QUIT not. */
  readonly exchanges: readonly Exchange[]
  /** The server took responsibility: 250 after the final dot. */
  readonly accepted: boolean
  /** Recipients the server took. */
  readonly recipients: readonly string[]
}

/** The dialogue could not be held, or broke off. */
export class DialogueFault extends Error {
  /** Nobody accepted the connection. */
  readonly unreachable: boolean
  /** What was said before. */
  readonly exchanges: readonly Exchange[]
  constructor(message: string, unreachable: boolean, exchanges: readonly Exchange[], options?: ErrorOptions) {
    super(message, options)
    this.name = 'DialogueFault'
    this.unreachable = unreachable
    this.exchanges = exchanges
  }
}

export interface DialogueOptions {
  readonly host: string
  readonly port: number
  /** Longest wait for the connection and for each reply, in milliseconds. */
  readonly timeoutMs: number
}

/** Sends `mail`. A refusal is a value. @throws DialogueFault when server or network gave up */
export async function sendMail(
  mail: Mail,
  { host, port, timeoutMs }: DialogueOptions,
): Promise<DialogueOutcome> {
  const socket = connect({ host, port })
  const dialogue = new Dialogue(socket, timeoutMs)
  try {
    await dialogue.connected()
  } catch (error) {
    socket.destroy()
    throw new DialogueFault((error as Error).message, true, [], { cause: error })
  }
  try {
    return await hold(dialogue, mail, socket)
  } catch (error) {
    throw new DialogueFault((error as Error).message, false, dialogue.exchanges, { cause: error })
  } finally {
    socket.destroy()
  }
}

async function hold(dialogue: Dialogue, mail: Mail, socket: Socket): Promise<DialogueOutcome> {
  const recipients: string[] = []
  const ended = async (accepted: boolean): Promise<DialogueOutcome> => {
    await dialogue.quit()
    return { exchanges: dialogue.exchanges, accepted, recipients: accepted ? recipients : [] }
  }
  if (!isPositive(await dialogue.reply(''))) return await ended(false)
  const hello = await dialogue.ask(`EHLO ${addressLiteral(socket.localAddress ?? '127.0.0.1')}`)
  if (!isPositive(hello)) return await ended(false)
  if (!isPositive(await dialogue.ask(`MAIL FROM:<${mail.from}>${parameters(hello, mail.content)}`)))
    return await ended(false)
  for (const recipient of mail.to)
    if (isPositive(await dialogue.ask(`RCPT TO:<${recipient}>`))) recipients.push(recipient)
  if (recipients.length === 0) return await ended(false)
  if ((await dialogue.ask('DATA')).code !== 354) return await ended(false)
  const shown = `${mail.content.byteLength} bytes and the final dot`
  return await ended(isPositive(await dialogue.ask(stuffed(mail.content), shown)))
}

class Dialogue {
  readonly exchanges: Exchange[] = []
  readonly #socket: Socket
  readonly #replies: SmtpReplies
  readonly #timeoutMs: number

  constructor(socket: Socket, timeoutMs: number) {
    this.#socket = socket
    this.#timeoutMs = timeoutMs
    this.#replies = new SmtpReplies(socket)
  }

  async connected(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const late = () => reject(new Error(`no connection within ${this.#timeoutMs / 1000} s`))
      const timer = setTimeout(late, this.#timeoutMs)
      this.#socket.once('connect', resolve).once('error', reject)
      this.#socket.once('connect', () => clearTimeout(timer)).once('error', () => clearTimeout(timer))
    })
  }

  /** Sends a line, or the octets of the message, and waits for the reply. */
  async ask(what: string | Buffer, shown: string = String(what)): Promise<SmtpReply> {
    this.#socket.write(typeof what === 'string' ? `${what}\r\n` : what)
    return await this.reply(shown)
  }

  /** Waits for the reply to what was sent. */
  async reply(sent: string): Promise<SmtpReply> {
    const reply = await this.#replies.next(this.#timeoutMs)
    this.exchanges.push({ sent, reply })
    return reply
  }

  /** Ends politely; what the server says to that changes nothing any more. */
  async quit(): Promise<void> {
    this.#socket.write('QUIT\r\n')
    await this.#replies.next(Math.min(this.#timeoutMs, 1_000)).catch(() => null)
    this.#socket.end()
  }
}

function isPositive({ code }: SmtpReply): boolean {
  return code >= 200 && code < 300
}

/** A client without a name of its own says its address (RFC 5321 §4.1.4). */
function addressLiteral(address: string): string {
  return address.includes(':') ? `[IPv6:${address}]` : `[${address}]`
}

/** MAIL parameters the server offers and this message has a use for: SIZE (RFC 1870), 8BITMIME (RFC 6152). */
function parameters(hello: SmtpReply, content: Buffer): string {
  const offered = new Set(hello.lines.slice(1).map((line) => line.split(' ', 1)[0]?.toUpperCase()))
  const size = offered.has('SIZE') ? ` SIZE=${content.byteLength}` : ''
  const isEightBit = content.some((octet) => octet > 0x7f)
  return size + (isEightBit && offered.has('8BITMIME') ? ' BODY=8BITMIME' : '')
}

/** The message as it is sent: a dot at the start of a line doubled, the final dot added (RFC 5321 §4.5.2). */
export function stuffed(content: Buffer): Buffer {
  // latin1 maps every octet to one character and back.
  const text = content.toString('latin1').replace(/^\./gm, '..')
  return Buffer.from(`${text}${text === '' || text.endsWith('\r\n') ? '' : '\r\n'}.\r\n`, 'latin1')
}

/** Lines of a message with CRLF, whichever line ends they had. */
export function withCrlf(content: Buffer): Buffer {
  return Buffer.from(content.toString('latin1').replace(/\r\n|\r|\n/g, '\r\n'), 'latin1')
}
