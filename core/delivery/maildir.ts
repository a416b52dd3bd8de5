/**
 * Final delivery into a maildir: one file per recipient, whole or not at all, on disk before it counts as delivered.
 * The trace fields of RFC 5321 §4.4 stand in front.
 *
 * Lines end with LF on disk, which is what every maildir reader expects. Nothing is lost by it: a bare LF is never
 * accepted, so each LF in the file stands for one CRLF.
 */
import { randomBytes } from 'node:crypto'
import { type FileHandle, open, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { StoredContent } from '../mail/message.ts'
import type { Clock } from '../observe/clock.ts'
import { makeDurableDirectory, syncDirectory } from '../queue/durable-directory.ts'
import { readContent } from '../queue/stored-content.ts'
import type { Channel, Opening, Outgoing } from './channel.ts'
import type { Met } from './outcome.ts'

export interface MaildirOptions {
  /** Part of every file name. */
  readonly hostname: string
  readonly clock: Clock
}

const CR = 0x0d
const LF = 0x0a
const FILE_MODE = 0o600

let delivered = 0

/** Opens the maildir at `path`, an absolute path; it is made when it is missing. */
export async function openMaildir(path: string, options: MaildirOptions): Promise<Opening> {
  try {
    for (const name of ['tmp', 'new', 'cur']) await makeDurableDirectory(join(path, name))
    return { ok: true, channel: new MaildirChannel(path, options) }
  } catch (error) {
    return { ok: false, remote: path, met: localTrouble(error) }
  }
}

class MaildirChannel implements Channel {
  readonly remote: string
  readonly #options: MaildirOptions
  readonly tls = null
  isUsable = true

  constructor(path: string, options: MaildirOptions) {
    this.remote = path
    this.#options = options
  }

  async carry(outgoing: Outgoing): Promise<readonly Met[]> {
    const met: Met[] = []
    for (const recipient of outgoing.recipients) met.push(await this.#deliver(outgoing, recipient))
    return met
  }

  quit(): void {
    this.isUsable = false
  }

  abort(): void {
    this.isUsable = false
  }

  async #deliver({ reversePath, stored }: Outgoing, recipient: string): Promise<Met> {
    const name = uniqueName(this.#options)
    const temporary = join(this.remote, 'tmp', name)
    try {
      await writeMessage(temporary, traceFields(reversePath, recipient), stored)
      // The name is in use nowhere: the exclusive creation in tmp/ saw to that, and new/ is filled from there only.
      await rename(temporary, join(this.remote, 'new', name))
      await syncDirectory(join(this.remote, 'new'))
      return { kind: 'kept', text: `kept as new/${name}` }
    } catch (error) {
      // Somebody may have moved the folders away: the next message makes them again.
      this.isUsable = false
      await unlink(temporary).catch(isGone)
      return localTrouble(error)
    }
  }
}

/** Unique by https://cr.yp.to/proto/maildir.html: time, what is different within it, host. */
function uniqueName({ hostname, clock }: MaildirOptions): string {
  const now = clock.now()
  const micros = (now % 1000) * 1000
  const host = hostname.replaceAll('/', '\\057').replaceAll(':', '\\072')
  delivered += 1
  const random = randomBytes(6).toString('hex')
  return `${Math.floor(now / 1000)}.M${micros}P${process.pid}Q${delivered}R${random}.${host}`
}

function traceFields(reversePath: string, recipient: string): Uint8Array {
  return Buffer.from(`Return-Path: <${inOneLine(reversePath)}>\nDelivered-To: ${inOneLine(recipient)}\n`)
}

/** Addresses may be UTF-8 (RFC 6531), and have no control characters. */
function inOneLine(address: string): string {
  return address.replace(/\p{Cc}/gu, ' ')
}

/** Writes a new file and waits until the disk has it. */
async function writeMessage(path: string, trace: Uint8Array, stored: StoredContent): Promise<void> {
  const file = await open(path, 'wx', FILE_MODE)
  try {
    await writeAll(file, trace)
    await writeContent(file, stored)
    await file.datasync()
  } finally {
    await file.close()
  }
}

async function writeContent(file: FileHandle, stored: StoredContent): Promise<void> {
  const lines = new LineFeeds()
  for await (const chunk of readContent(stored)) await writeAll(file, lines.convert(chunk))
  await writeAll(file, lines.rest())
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.byteLength; ) {
    written += (await file.write(bytes, written)).bytesWritten
  }
}

/** Turns CRLF into LF, also where it falls between two chunks. */
class LineFeeds {
  #heldCr = false

  convert(chunk: Uint8Array): Uint8Array {
    const out = Buffer.allocUnsafe(chunk.byteLength + 1)
    let length = 0
    let from = 0
    if (this.#heldCr && chunk.byteLength > 0) {
      if (chunk[0] !== LF) out[length++] = CR
      this.#heldCr = false
    }
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    for (let at = bytes.indexOf('\r\n'); at >= 0; at = bytes.indexOf('\r\n', at + 2)) {
      length += bytes.copy(out, length, from, at)
      from = at + 1
    }
    let end = bytes.length
    if (end > from && bytes[end - 1] === CR) {
      this.#heldCr = true
      end -= 1
    }
    length += bytes.copy(out, length, from, end)
    return out.subarray(0, length)
  }

  /** What is left behind the last chunk. */
  rest(): Uint8Array {
    return this.#heldCr ? Uint8Array.of(CR) : new Uint8Array()
  }
}

/** Whatever the disk says, the message is not to blame. */
function localTrouble(error: unknown): Met {
  return { kind: 'local', text: `maildir: ${error instanceof Error ? error.message : String(error)}` }
}

/** The file that should go was never made, or cannot be reached either: what matters is said already. */
function isGone(): void {}
