/**
 * A client that keeps books: it sends at a steady rate over a few connections, comes back when one is lost, and writes
 * down what it was told about every message.
 */
import { createHash } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { RawClient } from './raw-client.ts'

export interface LedgerRow {
  readonly id: string
  /** Of the body: the octets behind the first empty line. */
  readonly sha256: string
  /** Reply to the final dot, or to the command that was refused; '' when none was seen. */
  readonly reply: string
  /** The final dot was sent: without a reply, such a message may arrive or not. */
  readonly isDotted: boolean
}

export interface LedgerClientOptions {
  readonly port: number
  /** Messages a second, all connections together. */
  readonly rate: number
  readonly connections: number
  /** Of each body, about. */
  readonly sizeBytes: number
}

const AFTER_LOSS_MS = 100

export class LedgerClient implements AsyncDisposable {
  readonly rows: LedgerRow[] = []
  /** Connections that ended after their greeting without a word: neither 421 nor a reply to what was asked. */
  brokenOff = 0
  readonly #options: LedgerClientOptions
  readonly #stopping = new AbortController()
  readonly #running: Promise<void[]>
  #count = 0

  /** Begins at once. */
  constructor(options: LedgerClientOptions) {
    this.#options = options
    this.#running = Promise.all(Array.from({ length: options.connections }, () => this.#converse()))
  }

  /** Resolves when every message begun has its row. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** One connection after the other, a message at a time. */
  async #converse(): Promise<void> {
    const { rate, connections } = this.#options
    let due = performance.now()
    let client: RawClient | null = null
    while (!this.#stopping.signal.aborted) {
      await wait(Math.max(0, due - performance.now()))
      due += (connections / rate) * 1000
      client = await this.#message(client)
      if (client !== null) continue
      await wait(AFTER_LOSS_MS)
      due = performance.now()
    }
    client?.destroy()
  }

  /** Sends one message, over a new connection when there is none. Null when the connection was lost. */
  async #message(open: RawClient | null): Promise<RawClient | null> {
    const id = `m${++this.#count}`
    const body = bodyOf(id, this.#options.sizeBytes)
    const sha256 = createHash('sha256').update(body).digest('hex')
    let client = open
    let isDotted = false
    let reply = ''
    try {
      client ??= await RawClient.greeted({ port: this.#options.port })
      reply = await client.ask('MAIL FROM:<sender@client.example>')
      if (reply.startsWith('2')) reply = await client.ask('RCPT TO:<recipient@example.test>')
      if (reply.startsWith('2')) reply = await client.ask('DATA')
      if (reply.startsWith('3')) {
        client.raw(`${headerOf(id)}\r\n${body}`)
        isDotted = true
        reply = ''
        reply = await client.ask('.')
      } else if (!isFarewell(reply)) await client.expect('250', 'RSET')
      if (!isFarewell(reply)) return client
      client.destroy()
      return null
    } catch {
      // Lost in the midst: what was heard is what counts.
      if (client !== null) this.brokenOff += 1
      client?.destroy()
      if (!isDotted) reply = ''
      return null
    } finally {
      this.rows.push({ id, sha256, reply, isDotted })
    }
  }
}

/** RFC 5321 §3.8: the server closes behind it. */
function isFarewell(reply: string): boolean {
  return reply.startsWith('421')
}

function headerOf(id: string): string {
  return [
    'From: <sender@client.example>',
    'To: <recipient@example.test>',
    'Subject: ledger',
    'Date: Tue, 24 Nov 2026 12:00:00 +0000',
    `Message-ID: <${id}@client.example>`,
    `X-Id: ${id}`,
    '',
  ].join('\r\n')
}

function bodyOf(id: string, sizeBytes: number): string {
  const line = `${id} ${'x'.repeat(60)}\r\n`
  return line.repeat(Math.max(1, Math.round(sizeBytes / line.length)))
}
