/** Postfix's smtp-sink, with one dump file for every mail it took. */
import { chmod, mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort, isListening } from './free-port.ts'
import { startPeer } from './peer-programs.ts'
import type { ProcessGroup } from './process-group.ts'
import { TemporaryFolder } from './temporary-folder.ts'
import { until } from './until.ts'

export interface Dump {
  /** Path of RCPT, the first one. */
  readonly recipient: string
  /** As it came over the wire, dots removed. */
  readonly content: Buffer
}

const BACKLOG = '200'
/** What it writes in front: the envelope, and a trace field of its own. */
const FRONT =
  /^X-Client-Addr: .*\n(?:X-.*\n)*?X-Rcpt-Args: <(.*)>.*\n(?:X-.*\n)*Received: .*\n(?:\t.*\n)*?\t.*\(UTC\)\n/

export class SmtpSink implements AsyncDisposable {
  readonly port: number
  readonly #folder: TemporaryFolder
  readonly #group: ProcessGroup

  private constructor(port: number, folder: TemporaryFolder, group: ProcessGroup) {
    this.port = port
    this.#folder = folder
    this.#group = group
  }

  static async start(): Promise<SmtpSink> {
    const folder = await TemporaryFolder.make()
    try {
      const port = await freePort()
      return new SmtpSink(port, folder, await startSink(port, join(folder.path, 'dumps')))
    } catch (error) {
      await folder[Symbol.asyncDispose]()
      throw error
    }
  }

  get route(): string {
    return `smtp://127.0.0.1:${this.port}`
  }

  /** Every mail so far, in no order; those under way too, so ask when none is. */
  async dumps(): Promise<readonly Dump[]> {
    const dumps = join(this.#folder.path, 'dumps')
    const files = await readdir(dumps)
    return await Promise.all(files.map(async (file) => parseDump(await readFile(join(dumps, file)))))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#group.kill()
    await this.#folder[Symbol.asyncDispose]()
  }
}

/** Its folder is the working directory: the user it becomes could not find the way there from the top. */
async function startSink(port: number, folder: string): Promise<ProcessGroup> {
  await mkdir(folder)
  // As root it wants another user to become, who must be able to write there.
  await chmod(folder, 0o777)
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  const group = startPeer('smtp-sink', [...user, '-d', 'mail.', `127.0.0.1:${port}`, BACKLOG], folder)
  try {
    await until(() => group.ended !== null || isListening(port), 'smtp-sink to listen')
    if (group.ended !== null) throw new Error(`smtp-sink did not start: ${group.stderr}`)
    return group
  } catch (error) {
    await group.kill()
    throw error
  }
}

/** A dump has LF for CRLF, and one empty line behind the mail. */
function parseDump(dump: Buffer): Dump {
  const text = dump.toString('latin1')
  const front = FRONT.exec(text)
  if (front === null || !text.endsWith('\n\n')) throw new Error(`not a dump: ${text.slice(0, 400)}`)
  const content = text.slice(front[0].length, -1).replaceAll('\n', '\r\n')
  return { recipient: front[1] ?? '', content: Buffer.from(content, 'latin1') }
}
