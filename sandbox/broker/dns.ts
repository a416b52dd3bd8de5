/** Capability `dns`: typed lookups through the gateway's own resolver, whose cache everybody shares. */
import type { Answer, Found } from '../../core/dns/answer.ts'
import { reverseName } from '../../core/dns/ip-address.ts'
import { QueryBudget } from '../../core/dns/query-budget.ts'
import type { Asking, Resolver } from '../../core/dns/resolver.ts'
import {
  type AskedQuestion,
  type Effect,
  EffectRefused,
  type NamedEffect,
  PermissionDenied,
  QuotaExceeded,
  Unavailable,
} from './effect.ts'

/** What plugins may look up; `tlsa` and the like are the core's. */
export type NameLookups = Pick<Resolver, 'a' | 'aaaa' | 'mx' | 'txt' | 'ptr'>

/** Questions one plugin may cause in one call; what the cache answers is free (RFC 7208 §4.6.4 has ten). */
export const MAX_QUESTIONS = 20
const MAX_NAME_CHARS = 255

type Lookup = (resolver: NameLookups, name: string, asking: Asking) => Promise<Answer<unknown>>

const LOOKUPS: Readonly<Record<string, Lookup>> = {
  A: (resolver, name, asking) => resolver.a(name, asking),
  AAAA: (resolver, name, asking) => resolver.aaaa(name, asking),
  MX: (resolver, name, asking) => resolver.mx(name, asking),
  TXT: (resolver, name, asking) => resolver.txt(name, asking),
  PTR: (resolver, name, asking) => resolver.ptr(name, asking),
}

export function dnsEffects(resolver: NameLookups): readonly NamedEffect[] {
  const budgets = new Budgets()
  const resolve: Effect = {
    write: false,
    run: async ({ plugin, permissions, question }, [type, name]) => {
      if (typeof type !== 'string' || !Object.hasOwn(LOOKUPS, type))
        throw new EffectRefused(`a type is one of ${Object.keys(LOOKUPS).join(', ')}`)
      if (typeof name !== 'string' || name === '' || name.length > MAX_NAME_CHARS)
        throw new EffectRefused(`a name is text of 1 to ${MAX_NAME_CHARS} characters`)
      // An address is asked about by its name in the reverse tree.
      const asked = type === 'PTR' ? (reverseName(name) ?? name) : name
      if (!permissions.dns.covers(type, asked))
        throw new PermissionDenied('dns', `the permission dns does not cover ${type} of "${asked}"`)
      const budget = budgets.of(question, plugin)
      if (budget.isUsedUp)
        throw new QuotaExceeded('dns.questions', `more than ${MAX_QUESTIONS} DNS questions in one call`)
      const lookup = LOOKUPS[type] as Lookup
      const answer = await lookup(resolver, name, { budget, signal: AbortSignal.timeout(question.pluginMs) })
      if (answer.kind === 'trouble') throw new Unavailable(`${type} of ${asked}: ${answer.reason}`)
      return answer.kind === 'found' ? found(answer) : { kind: answer.kind, records: [] }
    },
  }
  return [['dns.resolve', resolve]]
}

function found({ kind, records, ttlSeconds, isAuthentic }: Found<unknown>): unknown {
  return { kind, records, ttlSeconds, isAuthentic }
}

/** One for each plugin in each call, gone with the call. */
export class Budgets {
  readonly #budgets = new WeakMap<AskedQuestion, Map<string, QueryBudget>>()

  of(question: AskedQuestion, plugin: string): QueryBudget {
    const ofCall = this.#budgets.get(question) ?? new Map<string, QueryBudget>()
    this.#budgets.set(question, ofCall)
    const budget = ofCall.get(plugin) ?? new QueryBudget(MAX_QUESTIONS)
    ofCall.set(plugin, budget)
    return budget
  }
}
