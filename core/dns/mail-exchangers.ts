/** The hosts that take mail for a domain (RFC 5321 §5.1, RFC 7505). */
import { type Answer, type Trouble, trouble } from './answer.ts'
import { isHostName, questionName } from './domain-name.ts'
import type { MxRecord } from './record.ts'
import type { Asking, Resolver } from './resolver.ts'
import { shuffled } from './shuffle.ts'

/** Hosts of a domain that are used: those preferred most. A hundred at most were read of what the DNS has. */
export const MAX_EXCHANGERS = 10

export interface MailExchanger {
  /** A host name, lower-case, without a dot at the end. */
  readonly name: string
  readonly preference: number
}

export type MailExchangers =
  | {
      readonly kind: 'hosts'
      /** Not empty, at most MAX_EXCHANGERS, no name twice; in the order they are to be tried. */
      readonly hosts: readonly MailExchanger[]
      /** The domain has no MX record and is its own exchanger. */
      readonly isImplicit: boolean
      /** DNSSEC proved it, for DANE (RFC 7672 §2.2.1). Never so when implicit: "no MX record" was not checked. */
      readonly isAuthentic: boolean
    }
  /** The domain says that it takes no mail: 556 5.1.10 (RFC 7505 §4.1). */
  | { readonly kind: 'null-mx' }
  /** Permanent, 5.1.2. */
  | { readonly kind: 'no-domain' }
  /** The domain exists and mail can go nowhere. Permanent until somebody mends the domain, 5.4.4. */
  | { readonly kind: 'unusable'; readonly reason: string }
  /** Nobody knows now: transient, 4.4.3. */
  | Trouble

export interface MailExchangersOptions extends Asking {
  /** In [0, 1); the order of hosts with the same preference comes from it. */
  readonly random: () => number
}

/** Finds the mail exchangers of a domain, a name as it stands in an address. Never rejects. */
export async function mailExchangers(
  resolver: Pick<Resolver, 'mx' | 'a' | 'aaaa'>,
  domain: string,
  { random, ...asking }: MailExchangersOptions,
): Promise<MailExchangers> {
  const answer = await resolver.mx(domain, asking)
  switch (answer.kind) {
    case 'found':
      return fromRecords(answer.records, answer.isAuthentic, random)
    case 'no-data':
      return await implicit(resolver, domain, asking)
    case 'no-domain':
    case 'trouble':
      return answer
  }
}

/**
 * The hosts preferred to ourselves: when we are among them, we and whoever is not preferred to us are left out, or mail
 * would go in circles (RFC 5321 §5.1). Empty: we are the best there is.
 */
export function betterThanOurselves(
  hosts: readonly MailExchanger[],
  isOurselves: (host: MailExchanger) => boolean,
): readonly MailExchanger[] {
  const ours = hosts.filter(isOurselves).map(({ preference }) => preference)
  return hosts.filter(({ preference }) => preference < Math.min(...ours))
}

function fromRecords(
  records: readonly MxRecord[],
  isAuthentic: boolean,
  random: () => number,
): MailExchangers {
  if (records.length === 1 && records[0]?.exchange === '.') return { kind: 'null-mx' }
  const best = new Map<string, number>()
  for (const { exchange, preference } of records) {
    if (isHostName(exchange)) best.set(exchange, Math.min(preference, best.get(exchange) ?? preference))
  }
  if (best.size === 0)
    return { kind: 'unusable', reason: 'none of its mail exchangers has a valid host name' }
  const hosts = Array.from(best, ([name, preference]) => ({ name, preference }))
  // Cut before chance comes in: the same domain must have the same hosts, and so the same site, every time.
  const used = hosts
    .toSorted((a, b) => a.preference - b.preference || (a.name < b.name ? -1 : 1))
    .slice(0, MAX_EXCHANGERS)
  // Sorting keeps the order of equals, which is random by then.
  const sorted = shuffled(used, random).toSorted((a, b) => a.preference - b.preference)
  return { kind: 'hosts', hosts: sorted, isImplicit: false, isAuthentic }
}

/** Without MX records the domain is its own exchanger, if it is a host at all. */
async function implicit(
  resolver: Pick<Resolver, 'a' | 'aaaa'>,
  domain: string,
  asking: Asking,
): Promise<MailExchangers> {
  const answers: readonly Answer<string>[] = await Promise.all([
    resolver.a(domain, asking),
    resolver.aaaa(domain, asking),
  ])
  const name = questionName(domain)
  if (name !== null && answers.some(({ kind }) => kind === 'found'))
    return { kind: 'hosts', hosts: [{ name, preference: 0 }], isImplicit: true, isAuthentic: false }
  for (const answer of answers) if (answer.kind === 'trouble') return trouble(answer.reason)
  return { kind: 'unusable', reason: 'it has neither mail exchangers nor an address' }
}
