/** Looks for many literals at once: one look at each octet, however many there are (Aho and Corasick, 1975). */
import type { LiteralFound, LiteralSearch } from '../mail/message-parts.ts'
import { decodeInPieces } from './charset.ts'
import { OpenedMessage, type OpenedPart } from './opened-message.ts'

/** Where each literal stands first, in the order of the literals; those found nowhere are left out. */
export function searchMessage(message: Buffer, search: LiteralSearch): readonly LiteralFound[] {
  const { literals, part, ignoreCase, raw } = search
  const found = new Map<number, string>()
  const automaton = new LiteralAutomaton(
    literals.map((literal) => Buffer.from(ignoreCase ? literal.toLowerCase() : literal)),
  )
  if (raw) for (const index of automaton.find([ignoreCase ? lowered(message) : message])) found.set(index, '')
  else
    for (const opened of new OpenedMessage(message).parts()) {
      const { path, kind } = opened.span
      if (kind !== 'leaf' || !isInside(path, part)) continue
      for (const index of automaton.find(textOf(opened, ignoreCase)))
        if (!found.has(index)) found.set(index, path)
      if (found.size === literals.length) break
    }
  return [...found]
    .toSorted(([a], [b]) => a - b)
    .map(([index, where]) => ({ literal: literals[index] ?? '', part: where }))
}

function isInside(path: string, part: string | null): boolean {
  return part === null || path === part || path.startsWith(`${part}.`)
}

/** Text as UTF-8, in pieces; what is no text by a guess. */
function* textOf({ span, content }: OpenedPart, ignoreCase: boolean): Generator<Buffer, void, undefined> {
  const { value, parameters } = span.header.type
  const charset = value.startsWith('text/') ? (parameters.get('charset') ?? '') : ''
  for (const text of decodeInPieces(content, charset))
    yield Buffer.from(ignoreCase ? text.toLowerCase() : text)
}

/** US-ASCII letters lowered, octet by octet. */
function lowered(bytes: Buffer): Buffer {
  const out = Buffer.allocUnsafeSlow(bytes.length)
  for (let i = 0; i < bytes.length; i++) {
    const octet = bytes[i] as number
    out[i] = octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet
  }
  return out
}

/** A state for each beginning of a literal, and where each octet leads. */
class LiteralAutomaton {
  readonly #next: Int32Array
  readonly #ends: (readonly number[])[] = [[]]
  readonly #count: number

  constructor(literals: readonly Buffer[]) {
    const states = literals.reduce((sum, literal) => sum + literal.length, 1)
    this.#next = new Int32Array(states * 256)
    this.#count = literals.length
    let last = 0
    for (const [index, literal] of literals.entries()) {
      let state = 0
      for (const octet of literal) {
        const at = state * 256 + octet
        if (this.#next[at] === 0) {
          this.#next[at] = ++last
          this.#ends.push([])
        }
        state = this.#next[at] as number
      }
      this.#ends[state] = [...(this.#ends[state] ?? []), index]
    }
    this.#complete(last + 1)
  }

  /** Where an octet leads nowhere, it leads where it would from the longest other beginning seen. */
  #complete(states: number): void {
    const fallback = new Int32Array(states)
    const queue: number[] = [0]
    for (const state of queue) {
      for (let octet = 0; octet < 256; octet++) {
        const at = state * 256 + octet
        const child = this.#next[at] as number
        const elsewhere = state === 0 ? 0 : (this.#next[(fallback[state] as number) * 256 + octet] as number)
        if (child === 0) {
          this.#next[at] = elsewhere
          continue
        }
        fallback[child] = elsewhere
        this.#ends[child] = [...(this.#ends[child] ?? []), ...(this.#ends[elsewhere] ?? [])]
        queue.push(child)
      }
    }
  }

  /** Numbers of the literals that stand in the octets, from one piece into the next too. */
  find(pieces: Iterable<Buffer>): ReadonlySet<number> {
    const found = new Set<number>()
    let state = 0
    for (const bytes of pieces) {
      for (let i = 0; i < bytes.length; i++) {
        state = this.#next[state * 256 + (bytes[i] as number)] as number
        const ends = this.#ends[state] as readonly number[]
        if (ends.length === 0) continue
        for (const index of ends) found.add(index)
        if (found.size === this.#count) return found
      }
    }
    return found
  }
}
