/** Notices of this gateway: whom they are from, and where they go by configuration and the `queue` hook. */
import { randomBytes } from 'node:crypto'
import type { Config } from '../../config/config.ts'
import { Notices, type RouteNotice } from '../delivery/notices.ts'
import { chosenRoutes, shortestLife, tagsOf } from '../hooks/actions.ts'
import type { HookRefusal, HookRunner, TakenAction } from '../hooks/runner.ts'
import type { Client } from '../mail/session.ts'
import type { Clock } from '../observe/clock.ts'
import { type DecisionRecords, SessionRecord } from '../observe/decision-record.ts'
import type { Log } from '../observe/log.ts'
import { dispositionOf } from '../smtp/disposition.ts'
import { LocalDomains } from '../smtp/local-domains.ts'
import { chooseRoutes, configuredRoutes } from '../smtp/routes.ts'

export interface NoticeParts {
  readonly hooks: HookRunner
  readonly records: DecisionRecords
  readonly newId: () => string
  readonly clock: Clock
  readonly log: Log
}

const ORIGIN = { kind: 'internal', what: 'dsn', tags: [] } as const
const NO_CLIENT: Client = Object.freeze({ address: '', port: 0, network: '' })

export function gatewayNotices(config: Config, parts: NoticeParts): Notices {
  const { newId, clock, log } = parts
  const domains = new LocalDomains(config)
  return new Notices({
    hostname: config.hostname,
    postmaster: domains.hostPostmaster,
    delayNoticeMs: config.queue.delayNoticeMs,
    route: routeNotice(domains, parts),
    newId,
    newSeed: () => randomBytes(16).toString('hex'),
    clock,
    log,
  })
}

/** Booked in the record of the message it is about, while that is known. */
function routeNotice(domains: LocalDomains, { hooks, records, clock }: NoticeParts): RouteNotice {
  return async ({ id, about, to, sizeBytes }) => {
    const address = to.toLowerCase() === domains.hostPostmaster ? domains.postmasterMailbox : to
    const recipients = configuredRoutes([address], domains)
    const record = records.recordOf(about) ?? new SessionRecord(records, id, NO_CLIENT, clock.now())
    record.knownAs(id)
    const event = { origin: ORIGIN, reversePath: '', recipients, message: { sizeBytes } }
    const { refusal, actions } = await hooks.ask('queue', event, null, record)
    const all = refusal === null ? actions : [...actions, heldInstead(refusal)]
    const { routed } = chooseRoutes(recipients, chosenRoutes(all))
    if (routed.some(({ route }) => route === null)) return null
    const { owed } = dispositionOf(routed, all, domains.postmasterMailbox)
    return { recipients: owed, tags: tagsOf(all).tags, lifeSeconds: shortestLife(all)?.seconds ?? null }
  }
}

/** Nobody is there who could come again later. */
function heldInstead({ plugin, text }: HookRefusal): TakenAction {
  return { plugin, action: { kind: 'hold', text: `refused it at queue: ${text}`, recipients: null } }
}
