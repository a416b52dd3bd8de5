/** What content is by its first octets, whatever its name and its declared type say. */
import type { DetectedType } from '../mail/message-parts.ts'

/** Octets at a place, in hexadecimal; `..` is any octet. */
type Signature = readonly [offset: number, hex: string, type: DetectedType]

const SIGNATURES: readonly Signature[] = [
  [0, '7f454c46', 'elf'],
  [0, 'feedface', 'macho'],
  [0, 'feedfacf', 'macho'],
  [0, 'cefaedfe', 'macho'],
  [0, 'cffaedfe', 'macho'],
  [0, '6465780a', 'dex'],
  [0, '0061736d', 'wasm'],
  [0, '4c0000000114020000000000c0', 'shortcut'],
  [0, '504b0304', 'zip'],
  [0, '504b0506', 'zip'],
  [0, '504b0708504b0304', 'zip'],
  [0, '1f8b', 'gzip'],
  [0, '425a68..314159265359', 'bzip2'],
  [0, 'fd377a585a00', 'xz'],
  [0, '28b52ffd', 'zstd'],
  [0, '526172211a07', 'rar'],
  [0, '377abcaf271c', '7z'],
  [257, '7573746172', 'tar'],
  [0, '4d534346', 'cab'],
  [0, '60ea', 'arj'],
  [2, '2d6c68..2d', 'lha'],
  [7, '2a2a4143452a2a', 'ace'],
  [32_769, '4344303031', 'iso'],
  [0, '213c617263683e0a', 'ar'],
  [0, 'd0cf11e0a1b11ae1', 'ole2'],
  [0, '49545346', 'chm'],
  [0, '789f3e22', 'tnef'],
  [0, '7b5c727466', 'rtf'],
  [0, '25215053', 'postscript'],
  [0, '89504e470d0a1a0a', 'png'],
  [0, 'ffd8ff', 'jpeg'],
  [0, '474946383761', 'gif'],
  [0, '474946383961', 'gif'],
  [0, '52494646........57454250', 'webp'],
  [0, '49492a00', 'tiff'],
  [0, '4d4d002a', 'tiff'],
]

const PATTERNS = SIGNATURES.map(([offset, hex, type]) => ({
  offset,
  type,
  octets: (hex.match(/../g) ?? []).map((pair) => (pair === '..' ? -1 : Number.parseInt(pair, 16))),
}))

/** Octets of text looked at for markup. */
const TEXT_BYTES = 1024
const HTML =
  /^(?:<!--[\s\S]{0,500}?-->\s*)?<(?:!doctype html|html|head|body|script|iframe|title|meta|table)[\s>]/i

/** The type, null when the octets say nothing. @param head the first octets, 1024 or more where there are as many */
export function detectType(head: Buffer): DetectedType | null {
  const known = PATTERNS.find(({ offset, octets }) =>
    octets.every((octet, index) =>
      octet < 0 ? offset + index < head.length : head[offset + index] === octet,
    ),
  )
  if (known !== undefined) return known.type
  if (head[0] === 0x4d && head[1] === 0x5a) return dosOrPe(head)
  if (head.length >= 8 && head.readUInt32BE(0) === 0xcafebabe) {
    // A Mach-O for several processors has their number here, a Java class its version, 45 or more.
    return head.readUInt32BE(4) < 45 ? 'macho' : 'java-class'
  }
  if (head[0] === 0x42 && head[1] === 0x4d && head.length > 18 && head.readUInt32LE(6) === 0) return 'bmp'
  if (isOldTar(head)) return 'tar'
  return detectText(head)
}

function dosOrPe(head: Buffer): DetectedType | null {
  // oxlint-disable-next-line no-control-regex
  if (!/[\x00-\x08]/.test(head.toString('latin1', 2, 64))) return detectText(head)
  const at = head.length >= 64 ? head.readUInt32LE(60) : head.length
  // The header may lie behind what is seen here: nearly everything that begins so is one.
  if (at + 4 > head.length) return 'pe'
  return head.toString('latin1', at, at + 4) === 'PE\0\0' ? 'pe' : 'dos'
}

/** A tar older than its magic: the checksum of the first header is right. */
function isOldTar(head: Buffer): boolean {
  if (head.length < 512 || head[0] === 0) return false
  const written = head
    .toString('latin1', 148, 156)
    .replace(/[\0 ]+$/, '')
    .trim()
  return /^[0-7]{1,7}$/.test(written) && Number.parseInt(written, 8) === tarChecksum(head)
}

/** Sum of the header's octets, those of the checksum itself read as blanks. */
export function tarChecksum(header: Buffer): number {
  let sum = 0
  for (let i = 0; i < 512; i++) sum += i >= 148 && i < 156 ? 0x20 : (header[i] as number)
  return sum
}

function detectText(head: Buffer): DetectedType | null {
  const text = textOf(head.subarray(0, TEXT_BYTES))
  if (/^#!\s*\//.test(text) || /^<\?php\b/i.test(text)) return 'script'
  // Readers of PDF look for its first line within a kilobyte.
  if (/%PDF-\d/.test(text)) return 'pdf'
  const start = text.trimStart()
  if (HTML.test(start)) return 'html'
  if (/^(?:<\?xml[^>]*>\s*)?(?:<!doctype svg[^>]*>\s*)?<svg[\s>]/i.test(start)) return 'svg'
  if (/^<\?xml\b/i.test(start)) return /<html[\s>]/i.test(start) ? 'html' : 'xml'
  return null
}

function textOf(head: Buffer): string {
  if (head[0] === 0xff && head[1] === 0xfe) return head.subarray(2, head.length & ~1).toString('utf16le')
  return head.toString('latin1').replace(/^\xef\xbb\xbf/, '')
}
