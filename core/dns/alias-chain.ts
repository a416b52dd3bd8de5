/**
 * From a name along its aliases to records (RFC 1034 §3.6.2, §4.3.1). A resolver sends the whole chain; where it does
 * not, the last name is asked about anew.
 */
import { type Answer, NO_DATA, NO_DOMAIN, type Trouble, trouble } from './answer.ts'
import { questionName } from './domain-name.ts'
import type { Records, RecordType } from './record.ts'
import { RCODE, type Response } from './response.ts'

/** Aliases followed from one name. */
export const MAX_ALIAS_STEPS = 8

export interface ChainEnd<Data> {
  readonly answer: Answer<Data>
  /** How long it holds as sent; null when that is not known. */
  readonly ttlSeconds: number | null
  /** Questions that were asked. */
  readonly questions: number
}

/** @param ask asks about a name; never rejects */
export async function followAliases<Type extends RecordType>(
  name: string,
  ask: (name: string) => Promise<Response<Type> | Trouble>,
): Promise<ChainEnd<Records[Type]>> {
  const chain = new AliasChain(name)
  for (let questions = 1; ; questions++) {
    const response = await ask(chain.name)
    if ('kind' in response) return { answer: response, ttlSeconds: null, questions }
    const end = chain.go(response)
    if (end !== null) return { ...end, questions }
  }
}

type End<Data> = Omit<ChainEnd<Data>, 'questions'>

class AliasChain {
  readonly #seen: Set<string>
  #name: string
  #ttlSeconds = Infinity
  #isAuthentic = true

  constructor(name: string) {
    this.#name = name
    this.#seen = new Set([name])
  }

  /** Where it has come to. */
  get name(): string {
    return this.#name
  }

  /** Goes as far as the response leads; null when the name it came to has to be asked about. */
  go<Type extends RecordType>(response: Response<Type>): End<Records[Type]> | null {
    this.#isAuthentic &&= response.isAuthentic
    const stepsBefore = this.#seen.size
    for (;;) {
      const records = response.records.filter(({ owner }) => owner === this.#name)
      if (records.length > 0) {
        if (response.rcode === RCODE.nxDomain) return lost('an answer that contradicts itself')
        for (const { ttlSeconds } of records) this.#holdsFor(ttlSeconds)
        return this.#found(records.map(({ data }) => data))
      }
      const alias = response.aliases.find(({ owner }) => owner === this.#name)
      if (alias === undefined) break
      const reason = this.#step(alias.data)
      if (reason !== null) return lost(reason)
      this.#holdsFor(alias.ttlSeconds)
    }
    return this.#endWithout(response, this.#seen.size > stepsBefore)
  }

  #step(target: string): string | null {
    if (this.#seen.has(target)) return 'aliases in a loop'
    if (this.#seen.size > MAX_ALIAS_STEPS) return `more than ${MAX_ALIAS_STEPS} aliases in a row`
    if (questionName(target) === null) return 'an alias for a name nobody can ask about'
    this.#seen.add(target)
    this.#name = target
    return null
  }

  /** The RCODE is about the last name of the chain (RFC 6604 §3). */
  #endWithout(response: Response<RecordType>, hasMoved: boolean): End<never> | null {
    const { rcode, isCut, negativeTtlSeconds } = response
    if (isCut) return lost('too many records to find the right one')
    if (!hasMoved && response.records.length + response.aliases.length > 0)
      return lost('an answer about other names')
    if (rcode !== RCODE.nxDomain && hasMoved && negativeTtlSeconds === null) return null
    if (negativeTtlSeconds !== null) this.#holdsFor(negativeTtlSeconds)
    return {
      answer: rcode === RCODE.nxDomain ? NO_DOMAIN : NO_DATA,
      ttlSeconds: negativeTtlSeconds === null ? null : this.#ttlSeconds,
    }
  }

  #found<Data>(records: readonly Data[]): End<Data> {
    const ttlSeconds = this.#ttlSeconds
    return {
      answer: { kind: 'found', records, ttlSeconds, isAuthentic: this.#isAuthentic },
      ttlSeconds,
    }
  }

  #holdsFor(ttlSeconds: number): void {
    this.#ttlSeconds = Math.min(this.#ttlSeconds, ttlSeconds)
  }
}

function lost(reason: string): End<never> {
  return { answer: trouble(reason), ttlSeconds: null }
}
