/** Files inside plain text between `begin MODE NAME` and `end`, as mail carried them before MIME. */

export interface UuencodedFile {
  readonly name: string
  readonly bytes: Buffer
  /** A line is too short for what it says, or the end is missing. */
  readonly isDamaged: boolean
}

const LF = 0x0a
const BEGIN = /^begin (?:-base64 )?[0-7]{3,4} ([^\r\n]{1,1000})\r?$/

/** @param atMost files looked for */
export function uuencodedFiles(text: Buffer, atMost: number): readonly UuencodedFile[] {
  const files: UuencodedFile[] = []
  let at = text.toString('latin1', 0, 6) === 'begin ' ? 0 : nextBegin(text, 0)
  while (at >= 0 && files.length < atMost) {
    const lineEnd = endOfLine(text, at)
    const name = lineEnd - at > 1100 ? undefined : BEGIN.exec(text.toString('latin1', at, lineEnd))?.[1]
    if (name === undefined) {
      at = nextBegin(text, at)
      continue
    }
    const { file, end } = readFile(text, lineEnd + 1, name.trimEnd())
    files.push(file)
    at = nextBegin(text, Math.max(at, end - 1))
  }
  return files
}

function nextBegin(text: Buffer, from: number): number {
  const found = text.indexOf('\nbegin ', from, 'latin1')
  return found < 0 ? -1 : found + 1
}

function readFile(
  text: Buffer,
  start: number,
  name: string,
): { readonly file: UuencodedFile; readonly end: number } {
  const out = Buffer.allocUnsafeSlow(Math.ceil(((text.length - start + 1) * 3) / 4) + 64)
  let length = 0
  let isDamaged = false
  let at = start
  while (at < text.length) {
    const lineEnd = endOfLine(text, at)
    const first = text[at] as number
    if (text.toString('latin1', at, Math.min(lineEnd, at + 5)).trimEnd() === 'end')
      return { file: { name, bytes: out.subarray(0, length), isDamaged }, end: lineEnd }
    const count = (first - 0x20) & 0x3f
    // What cannot be a line of it ends it: text with a word `begin` in it is no file.
    if (first < 0x20 || first > 0x60) {
      if (lineEnd - at > 1) break
      at = lineEnd + 1
      continue
    }
    if (lineEnd - at - 1 < Math.floor((count * 4) / 3)) isDamaged = true
    length = writeLine(text.subarray(at + 1, lineEnd), count, out, length)
    at = lineEnd + 1
  }
  return { file: { name, bytes: out.subarray(0, length), isDamaged: true }, end: Math.min(at, text.length) }
}

/** Four characters are three octets. @returns the new length of `out` */
function writeLine(line: Buffer, count: number, out: Buffer, length: number): number {
  const value = (index: number): number => ((line[index] ?? 0x20) - 0x20) & 0x3f
  let written = 0
  for (let i = 0; i < line.length && written < count; i += 4) {
    const bits = (value(i) << 18) | (value(i + 1) << 12) | (value(i + 2) << 6) | value(i + 3)
    for (const shift of [16, 8, 0]) if (written < count) out[length + written++] = bits >>> shift
  }
  return length + written
}

function endOfLine(text: Buffer, at: number): number {
  const found = text.indexOf(LF, at)
  return found < 0 ? text.length : found
}
