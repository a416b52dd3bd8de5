/**
 * Content made ready for the wire (RFC 5321 §4.5.2): a dot in front of each line that begins with one. Bare CR and bare
 * LF become line ends and NUL a space, so that nothing can be taken for a line end by the remote alone: some leave NUL
 * out. Nothing of this kind is accepted, so it is for what an older store may have. What nodemailer does octet by octet.
 */

const CR = 0x0d
const LF = 0x0a
const SPACE = 0x20
const DOT = 0x2e
const ADDED = {
  cr: Buffer.from('\r'),
  lf: Buffer.from('\n'),
  lfDot: Buffer.from('\n.'),
  dot: Buffer.from('.'),
}
/** Where something is missing, behind the first octet of a piece. */
const PLACES = /\r(?=[^\n])|(?<!\r)\n|(?<=\n)\./g

/** Takes content in pieces; one octet of state between them. */
export class DotStuffing {
  /** The last octet taken, undefined before the first: the content begins with the start of a line. */
  #last: number | undefined = undefined

  /** The piece as it is sent: itself, when nothing had to be added. */
  take(content: Buffer): Buffer {
    if (content.length === 0) return content
    const piece = content.includes(0) ? withoutNul(content) : content
    const out: Buffer[] = []
    let sent = 0
    const add = (at: number, what: Buffer): void => {
      out.push(piece.subarray(sent, at), what)
      sent = at
    }
    const first = missingBetween(this.#last, piece[0])
    if (first !== null) add(0, first)
    // A regular expression over a one-byte string: see core/smtp/content-check.ts.
    for (const { index } of piece.toString('latin1').matchAll(PLACES)) {
      // Of a bare CR the match is the octet before the place, of the others the one behind it.
      const at = piece[index] === CR ? index + 1 : index
      const what = at === 0 ? null : missingBetween(piece[at - 1], piece[at])
      if (what !== null) add(at, what)
    }
    this.#last = piece[piece.length - 1]
    if (out.length === 0) return piece
    out.push(piece.subarray(sent))
    return Buffer.concat(out)
  }
}

function withoutNul(content: Buffer): Buffer {
  return Buffer.from(content.map((octet) => (octet === 0 ? SPACE : octet)))
}

/** What has to stand between two octets, null when nothing has. */
function missingBetween(before: number | undefined, octet: number | undefined): Buffer | null {
  if (before === CR && octet !== LF) return octet === DOT ? ADDED.lfDot : ADDED.lf
  if (octet === LF && before !== CR) return ADDED.cr
  return octet === DOT && (before === LF || before === undefined) ? ADDED.dot : null
}
