/** Makes zips, true ones and such as lie. */
import { deflateRawSync } from 'node:zlib'

export interface ZipFile {
  readonly name: string
  readonly content: Buffer
  readonly isStored?: boolean
  readonly isEncrypted?: boolean
  /** Only the file itself, no entry in the directory. */
  readonly isHidden?: boolean
  /** What the local header says instead. */
  readonly localName?: string
  /** Unpacked size as both headers have it. */
  readonly declaredBytes?: number
}

export interface ZipForm {
  readonly prefix?: Buffer
  readonly hasDirectory?: boolean
}

export function makeZip(files: readonly ZipFile[], { prefix, hasDirectory = true }: ZipForm = {}): Buffer {
  const locals: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const file of files) {
    const packed = file.isStored === true ? file.content : deflateRawSync(file.content)
    const sizes = [
      file.isStored === true ? 0 : 8,
      packed.length,
      file.declaredBytes ?? file.content.length,
    ] as const
    const local = localHeader(file, sizes)
    if (file.isHidden !== true) directory.push(directoryEntry(file, sizes, offset))
    locals.push(local, packed)
    offset += local.length + packed.length
  }
  const entries = Buffer.concat(directory)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 'latin1')
  end.writeUInt16LE(directory.length & 0xffff, 8)
  end.writeUInt16LE(directory.length & 0xffff, 10)
  end.writeUInt32LE(entries.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([prefix ?? Buffer.alloc(0), ...locals, ...(hasDirectory ? [entries, end] : [])])
}

type Sizes = readonly [method: number, packed: number, unpacked: number]

function localHeader(file: ZipFile, [method, packed, unpacked]: Sizes): Buffer {
  const name = Buffer.from(file.localName ?? file.name)
  const header = Buffer.alloc(30)
  header.write('PK\x03\x04', 'latin1')
  header.writeUInt16LE(20, 4)
  header.writeUInt16LE(file.isEncrypted === true ? 1 : 0, 6)
  header.writeUInt16LE(method, 8)
  header.writeUInt32LE(packed, 18)
  header.writeUInt32LE(unpacked, 22)
  header.writeUInt16LE(name.length, 26)
  return Buffer.concat([header, name])
}

function directoryEntry(file: ZipFile, [method, packed, unpacked]: Sizes, offset: number): Buffer {
  const name = Buffer.from(file.name)
  const header = Buffer.alloc(46)
  header.write('PK\x01\x02', 'latin1')
  header.writeUInt16LE(file.isEncrypted === true ? 1 : 0, 8)
  header.writeUInt16LE(method, 10)
  header.writeUInt32LE(packed, 20)
  header.writeUInt32LE(unpacked, 24)
  header.writeUInt16LE(name.length, 28)
  header.writeUInt32LE(offset, 42)
  return Buffer.concat([header, name])
}

/** A POSIX tar with these files. */
export function makeTar(files: readonly { readonly name: string; readonly content: Buffer }[]): Buffer {
  const blocks = files.flatMap(({ name, content }) => {
    const header = Buffer.alloc(512)
    header.write(name, 0, 100, 'latin1')
    header.write(`0000644\0${'0'.repeat(7)}\0${'0'.repeat(7)}\0`, 100, 'latin1')
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124, 'latin1')
    header.write('00000000000\0        0', 136, 'latin1')
    header.write('ustar\x0000', 257, 'latin1')
    const sum = header.reduce((total, octet) => total + octet, 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
    return [header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}
