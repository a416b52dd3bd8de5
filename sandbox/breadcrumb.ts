/** Who was being run when a plughost died: eight octets it writes before stays in an isolate. */
import { closeSync, mkdtempSync, openSync, readSync, rmdirSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Blame {
  /** 0: nobody. */
  readonly plugin: number
  /** 0: while loading, or in one of a row of calls; asked again, the one it was is told. */
  readonly call: number
}

/** A file without a name, shared with one plughost by its descriptor. */
export class Breadcrumb {
  readonly fileDescriptor: number

  /** @throws an error of the file system */
  constructor() {
    const folder = mkdtempSync(join(tmpdir(), 'postern-'))
    const file = join(folder, 'breadcrumb')
    try {
      this.fileDescriptor = openSync(file, 'w+', 0o600)
      unlinkSync(file)
    } finally {
      rmdirSync(folder)
    }
  }

  read(): Blame {
    const bytes = Buffer.alloc(8)
    const read = readSync(this.fileDescriptor, bytes, 0, 8, 0)
    return read < 8 ? { plugin: 0, call: 0 } : { plugin: bytes.readUInt32LE(0), call: bytes.readUInt32LE(4) }
  }

  close(): void {
    closeSync(this.fileDescriptor)
  }
}
