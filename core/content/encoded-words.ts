/** Encoded words in header fields (RFC 2047), and the same where it forbids them: in parameters, where senders put them. */
import { decodeCharset } from './charset.ts'
import { decodeBase64, decodeQuotedPrintable } from './transfer-encoding.ts'

const WORD = /=\?([^?\s]{1,60})\?([bq])\?([^?]*)\?=/gi

/** Words of one charset that follow each other. */
interface Run {
  readonly charset: string
  readonly pieces: Buffer[]
  source: string
}

/** The text with its encoded words decoded; those of a charset nobody knows stay as they are. */
export function decodeEncodedWords(text: string): string {
  let out = ''
  let end = 0
  let run = null as Run | null
  for (const match of text.matchAll(WORD)) {
    const [source, name = '', encoding = '', data = ''] = match
    const between = text.slice(end, match.index)
    // Language tag: RFC 2231 §5.
    const charset = name.replace(/\*.*$/, '').toLowerCase()
    const piece = decodeWord(encoding, data)
    // Blanks between two words are no text, and a character may begin in one and end in the next.
    if (run?.charset === charset && between.trim() === '') {
      run.pieces.push(piece)
      run.source += between + source
    } else {
      out += textOf(run) + (run !== null && between.trim() === '' ? '' : between)
      run = { charset, pieces: [piece], source }
    }
    end = match.index + source.length
  }
  return out + textOf(run) + text.slice(end)
}

function decodeWord(encoding: string, data: string): Buffer {
  const bytes = Buffer.from(data, 'latin1')
  if (encoding.toLowerCase() === 'b') return decodeBase64(bytes).bytes
  return decodeQuotedPrintable(Buffer.from(data.replaceAll('_', '=20'), 'latin1')).bytes
}

function textOf(run: Run | null): string {
  if (run === null) return ''
  return decodeCharset(Buffer.concat(run.pieces), run.charset) ?? run.source
}
