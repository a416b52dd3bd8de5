/**
 * The stub resolver: typed lookups through recursive servers, cached, asked once at a time, bounded. A lookup never
 * rejects; what went wrong is an answer.
 */
import { randomInt } from 'node:crypto'
import { type Clock, systemClock } from '../observe/clock.ts'
import { followAliases } from './alias-chain.ts'
import { type Answer, NO_DOMAIN, trouble } from './answer.ts'
import { AnswerCache } from './answer-cache.ts'
import { questionName } from './domain-name.ts'
import { reverseName } from './ip-address.ts'
import type { QueryBudget } from './query-budget.ts'
import type { MxRecord, Records, RecordType, TlsaRecord } from './record.ts'
import { checkedServer, type DnsServer, systemServers } from './servers.ts'
import { Upstream } from './upstream.ts'

export interface ResolverOptions {
  /** Asked in this order. None: those of this machine, read when the resolver is made. */
  readonly servers?: readonly DnsServer[]
  /** Of one exchange with one server, milliseconds; 2 000 unless told otherwise. */
  readonly timeoutMs?: number
  /** Rounds over the servers; 2 unless told otherwise. */
  readonly tries?: number
  /** Whether questions are sent in random capitals, which a forger has to guess too; so unless told otherwise. */
  readonly isCaseRandomized?: boolean
  /** Answers kept; 10 000 unless told otherwise, and at most 16 MB of them. */
  readonly maxCacheEntries?: number
  readonly clock?: Clock
  /** In [0, 1). Not to be guessed by anybody unless it is a test's. */
  readonly random?: () => number
}

/** Who asks, and how much. */
export interface Asking {
  /** Ends the wait; the question goes on while somebody else waits for it. */
  readonly signal?: AbortSignal
  readonly budget?: QueryBudget
}

const MAX_CACHE_BYTES = 16 * 1_048_576
const MIN_TTL_SECONDS = 1
const MAX_TTL_SECONDS = 86_400
/** A domain that comes to life is seen within the hour (RFC 2308 §5 has one to three). */
const MAX_NEGATIVE_TTL_SECONDS = 3_600
/** Keeps a crowd from a server that is in trouble (RFC 9520 §3.2); mail comes back later anyway. */
const TROUBLE_TTL_SECONDS = 1

/** A question on its way. It ends early when nobody waits any more. */
interface Flight {
  readonly key: string
  readonly landed: Promise<Answer<unknown>>
  readonly stop: AbortController
  waiting: number
  /** Asked in all; known when it has landed. */
  questions: number
}

export class Resolver {
  readonly #upstream: Upstream
  readonly #cache: AnswerCache
  readonly #flights = new Map<string, Flight>()
  #isClosed = false
  /** Lookups since the start: answered from the cache, joined to one under way, taken to a server. */
  readonly counters = { cached: 0, shared: 0, asked: 0 }

  /** @throws when a server has no IP address or no port, or the system's cannot be read */
  constructor(options: ResolverOptions = {}) {
    const { servers = [], timeoutMs = 2_000, tries = 2, isCaseRandomized = true } = options
    const { maxCacheEntries = 10_000, clock = systemClock, random = secureRandom } = options
    this.#cache = new AnswerCache({ maxEntries: maxCacheEntries, maxBytes: MAX_CACHE_BYTES, clock })
    this.#upstream = new Upstream({
      servers: servers.length > 0 ? servers.map(checkedServer) : systemServers(),
      timeoutMs,
      tries,
      isCaseRandomized,
      random,
      clock,
    })
  }

  /** MX records as they come, unsorted (RFC 1035 §3.3.9). */
  mx(name: string, asking?: Asking): Promise<Answer<MxRecord>> {
    return this.#lookUp('MX', name, asking)
  }

  /** IPv4 addresses, dotted. */
  a(name: string, asking?: Asking): Promise<Answer<string>> {
    return this.#lookUp('A', name, asking)
  }

  /** IPv6 addresses, as in RFC 5952. */
  aaaa(name: string, asking?: Asking): Promise<Answer<string>> {
    return this.#lookUp('AAAA', name, asking)
  }

  /** TXT records, each with its strings joined, one character an octet. */
  txt(name: string, asking?: Asking): Promise<Answer<string>> {
    return this.#lookUp('TXT', name, asking)
  }

  /** Names of the host at an IP address. What is not printable in them is `\ddd`; no-domain when it is no address. */
  ptr(address: string, asking?: Asking): Promise<Answer<string>> {
    return this.#lookUp('PTR', reverseName(address) ?? '', asking)
  }

  /** TLSA records of a name like `_25._tcp.mx.example.test`. */
  tlsa(name: string, asking?: Asking): Promise<Answer<TlsaRecord>> {
    return this.#lookUp('TLSA', name, asking)
  }

  /** Ends what is under way: it and every later lookup meets trouble. Forgets the cache. */
  close(): void {
    this.#isClosed = true
    for (const { stop } of this.#flights.values()) stop.abort()
    this.#cache.clear()
  }

  async #lookUp<Type extends RecordType>(
    type: Type,
    text: string,
    { signal, budget }: Asking = {},
  ): Promise<Answer<Records[Type]>> {
    if (this.#isClosed) return trouble('the resolver is closed')
    if (signal?.aborted) return trouble('given up')
    // What cannot stand in a question cannot exist either.
    const name = questionName(text)
    if (name === null) return NO_DOMAIN
    const key = `${type} ${name}`
    const cached = this.#cache.get(key)
    if (cached !== null) {
      this.counters.cached += 1
      return cached as Answer<Records[Type]>
    }
    if (budget?.isUsedUp) return trouble(`more than ${budget.limit} questions for one caller`)
    const answer = await this.#join(this.#flightTo(key, type, name), signal, budget)
    return answer as Answer<Records[Type]>
  }

  #flightTo(key: string, type: RecordType, name: string): Flight {
    const underWay = this.#flights.get(key)
    if (underWay !== undefined) {
      this.counters.shared += 1
      return underWay
    }
    this.counters.asked += 1
    const { promise, resolve } = Promise.withResolvers<Answer<unknown>>()
    const flight: Flight = { key, landed: promise, stop: new AbortController(), waiting: 0, questions: 1 }
    this.#flights.set(key, flight)
    void this.#fly(type, name, flight).then(resolve, (error: unknown) =>
      // A bug of ours costs one lookup, not the process.
      resolve(trouble(`the lookup broke: ${String(error)}`)),
    )
    return flight
  }

  async #fly(type: RecordType, name: string, flight: Flight): Promise<Answer<unknown>> {
    const { signal } = flight.stop
    try {
      const end = await followAliases(name, (asked) => this.#upstream.ask({ name: asked, type, signal }))
      flight.questions = end.questions
      if (signal.aborted) return trouble('given up')
      return this.#keep(flight.key, end.answer, end.ttlSeconds)
    } finally {
      this.#forget(flight)
    }
  }

  #forget(flight: Flight): void {
    if (this.#flights.get(flight.key) === flight) this.#flights.delete(flight.key)
  }

  #keep(key: string, answer: Answer<unknown>, sentTtl: number | null): Answer<unknown> {
    if (answer.kind === 'trouble') {
      this.#cache.set(key, answer, TROUBLE_TTL_SECONDS)
      return answer
    }
    // Without an SOA record nobody knows how long "none" holds (RFC 2308 §5).
    if (sentTtl === null) return answer
    const most = answer.kind === 'found' ? MAX_TTL_SECONDS : MAX_NEGATIVE_TTL_SECONDS
    const ttlSeconds = Math.min(Math.max(sentTtl, MIN_TTL_SECONDS), most)
    this.#cache.set(key, answer, ttlSeconds)
    return answer.kind === 'found' ? { ...answer, ttlSeconds } : answer
  }

  /** Waits for a flight. Whoever waits pays: its own question at once, the aliases when they are known. */
  async #join(flight: Flight, signal?: AbortSignal, budget?: QueryBudget): Promise<Answer<unknown>> {
    budget?.spend(1)
    flight.waiting += 1
    const givenUp = Promise.withResolvers<Answer<unknown>>()
    const onAbort = (): void => givenUp.resolve(trouble('given up'))
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      const answer = await Promise.race([flight.landed, givenUp.promise])
      budget?.spend(flight.questions - 1)
      return answer
    } finally {
      signal?.removeEventListener('abort', onAbort)
      flight.waiting -= 1
      if (flight.waiting === 0) {
        // Nobody may join it any more; when it has landed there is nothing left to stop.
        this.#forget(flight)
        flight.stop.abort()
      }
    }
  }
}

function secureRandom(): number {
  return randomInt(0x1_0000_0000) / 0x1_0000_0000
}
