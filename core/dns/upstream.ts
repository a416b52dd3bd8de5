/**
 * One question put to the servers until one of them answers it. Each has its turn `tries` times; one that was silent
 * is asked last for a while, so that a dead first server does not slow everything down.
 */
import type { Clock } from '../observe/clock.ts'
import { type Trouble, trouble } from './answer.ts'
import type { Brought, Errand } from './exchange.ts'
import { newQuery } from './query.ts'
import type { RecordType } from './record.ts'
import { RCODE, type Response, readResponse } from './response.ts'
import { type DnsServer, isBelieved } from './servers.ts'
import { Slots } from './slots.ts'
import { askOverTcp } from './tcp-exchange.ts'
import { askOverUdp } from './udp-exchange.ts'

export interface UpstreamOptions {
  /** At least one. */
  readonly servers: readonly DnsServer[]
  /** Of one exchange with one server, milliseconds; TCP after UDP has as much again. */
  readonly timeoutMs: number
  /** Rounds over the servers. */
  readonly tries: number
  readonly isCaseRandomized: boolean
  readonly random: () => number
  readonly clock: Clock
}

/**
 * Open sockets. A question beyond waits for one, and its timeouts begin only then. A server's receive buffer holds 256
 * small datagrams as Linux makes it; more at once would be lost, and each lost one costs a timeout.
 */
const MAX_SOCKETS = 200
/** How long a server that was silent is asked after the others, milliseconds. */
const REST_MS = 30_000

/** What one server had to say: something that counts, something wrong for good, or nothing. */
type Heard<Type extends RecordType> =
  | { readonly kind: 'response'; readonly response: Response<Type> }
  | { readonly kind: 'failure'; readonly reason: string }
  | { readonly kind: 'silence'; readonly reason: string }

interface Asked<Type extends RecordType> {
  /** As `questionName` writes it. */
  readonly name: string
  readonly type: Type
  readonly signal: AbortSignal
}

export class Upstream {
  readonly #options: UpstreamOptions
  readonly #slots = new Slots(MAX_SOCKETS)
  /** When a server was silent last, monotonic. */
  readonly #silentAt = new Map<DnsServer, number>()

  constructor(options: UpstreamOptions) {
    this.#options = options
  }

  /** Never rejects. A response has NOERROR or NXDOMAIN; its authenticity is believed already. */
  async ask<Type extends RecordType>(asked: Asked<Type>): Promise<Response<Type> | Trouble> {
    const failed = new Set<DnsServer>()
    const reasons = new Map<DnsServer, string>()
    for (let round = 0; round < this.#options.tries; round++) {
      for (const server of this.#inOrder()) {
        if (failed.has(server)) continue
        if (asked.signal.aborted) return trouble('given up')
        const heard = await this.#askOne(server, asked)
        if (heard.kind === 'response') return heard.response
        if (heard.kind === 'failure') failed.add(server)
        else if (!asked.signal.aborted) this.#silentAt.set(server, this.#options.clock.monotonic())
        reasons.set(server, heard.reason)
      }
    }
    const said = Array.from(reasons, ([{ host, port }, reason]) => `${reason} (${host} port ${port})`)
    return trouble(said.join('; '))
  }

  #inOrder(): readonly DnsServer[] {
    const restingSince = this.#options.clock.monotonic() - REST_MS
    const isResting = (server: DnsServer): boolean => (this.#silentAt.get(server) ?? -Infinity) > restingSince
    const { servers } = this.#options
    return [...servers.filter((server) => !isResting(server)), ...servers.filter(isResting)]
  }

  /** A server that stumbles over EDNS is asked again without (RFC 6891 §6.2.2). */
  async #askOne<Type extends RecordType>(server: DnsServer, asked: Asked<Type>): Promise<Heard<Type>> {
    const heard = await this.#exchange(server, asked, true)
    if (heard.kind !== 'response') return heard
    if (!NO_EDNS.has(heard.response.rcode)) return this.#judged(server, heard.response)
    const plainly = await this.#exchange(server, asked, false)
    return plainly.kind === 'response' ? this.#judged(server, plainly.response) : plainly
  }

  #judged<Type extends RecordType>(server: DnsServer, response: Response<Type>): Heard<Type> {
    const reason = whyNoAnswer(response)
    if (reason !== null) return { kind: 'failure', reason }
    const isAuthentic = response.isAuthentic && isBelieved(server)
    return { kind: 'response', response: { ...response, isAuthentic } }
  }

  async #exchange<Type extends RecordType>(
    server: DnsServer,
    { name, type, signal }: Asked<Type>,
    hasEdns: boolean,
  ): Promise<Heard<Type>> {
    const { timeoutMs, isCaseRandomized, random } = this.#options
    const query = newQuery({ name, type, isCaseRandomized, hasEdns, random })
    const brought = await this.#run({ server, query, timeoutMs, signal })
    if (brought.kind !== 'message')
      return { kind: 'silence', reason: brought.kind === 'nothing' ? brought.reason : 'no way to ask' }
    const response = readResponse(brought.message, type)
    return response === null
      ? { kind: 'failure', reason: 'a malformed answer' }
      : { kind: 'response', response }
  }

  async #run(errand: Errand): Promise<Brought> {
    if (!(await this.#slots.take(errand.signal))) return { kind: 'nothing', reason: 'given up' }
    try {
      const brought = await askOverUdp(errand)
      return brought.kind === 'over-tcp' ? await askOverTcp(errand) : brought
    } finally {
      this.#slots.give()
    }
  }
}

const NO_EDNS: ReadonlySet<number> = new Set([RCODE.formErr, RCODE.notImp, RCODE.badVers])

const RCODE_NAMES: ReadonlyMap<number, string> = new Map([
  [RCODE.formErr, 'FORMERR'],
  [RCODE.servFail, 'SERVFAIL'],
  [RCODE.notImp, 'NOTIMP'],
  [RCODE.refused, 'REFUSED'],
  [RCODE.badVers, 'BADVERS'],
])

/** Why a response answers nothing; null when it does. Only NXDOMAIN says that a name does not exist. */
function whyNoAnswer({ rcode, isCompetent, records, aliases }: Response<RecordType>): string | null {
  if (rcode !== RCODE.noError && rcode !== RCODE.nxDomain) return RCODE_NAMES.get(rcode) ?? `RCODE ${rcode}`
  // A referral is no answer (RFC 2308 §2.2): the server expects us to ask somebody else.
  if (rcode === RCODE.noError && !isCompetent && records.length + aliases.length === 0)
    return 'the server does not resolve for others'
  return null
}
