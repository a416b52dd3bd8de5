/**
 * The answer matrix: at every hook, what every answer, action and failure comes to. A hook has one entry here, and an
 * entry has a row for every word; `answers.test.ts` looks for what is missing.
 */

import { ON_ERROR, type OnError } from '../../../core/hooks/plugin-panel.ts'
import {
  ACTION_KINDS,
  type ActionKind,
  ANSWER_KINDS,
  type AnswerKind,
  FAULT_KINDS,
  type FaultKind,
} from '../../../core/mail/answer.ts'
import type { HookName } from '../../../core/mail/hook-events.ts'
import type { Orders, Place, PluginName } from './stage.ts'

/** Failures that need more than an answer: `test/sandbox` has them. */
type FailedElsewhere = 'timeout' | 'memory' | 'death' | 'unavailable' | 'quarantined'
export const FAILED_ELSEWHERE: ReadonlySet<FaultKind> = new Set<FailedElsewhere>([
  'timeout',
  'memory',
  'death',
  'unavailable',
  'quarantined',
])

type Failure = Exclude<FaultKind, FailedElsewhere>
/** What a plugin says, does, or fails with under each `onError`. */
export type Word = 'none' | 'disconnect for good' | AnswerKind | ActionKind | `${Failure} ${OnError}`

/** Every word there should be a row for. */
export const WORDS: readonly string[] = [
  'none',
  'disconnect for good',
  ...ANSWER_KINDS,
  ...ACTION_KINDS,
  ...FAULT_KINDS.filter((kind) => !FAILED_ELSEWHERE.has(kind)).flatMap((kind) =>
    ON_ERROR.map((onError) => `${kind} ${onError}`),
  ),
]

/** The client hears a refusal with a reference. */
export interface Refused {
  readonly refusedAt: Place
  /** Reply code and enhanced status. */
  readonly reply: string
  readonly closes: boolean
  /** The answer was none, and counts as this failure. */
  readonly fault?: FaultKind
}

/** The message was taken. Delivered as it is to the usual next server, if nothing else is said. */
export interface Taken {
  readonly refusedAt: null
  /** The reason of the hold. */
  readonly held?: string
  readonly isDiscarded?: true
  /** Not attempted, and asked again; the enhanced status of why. */
  readonly putOff?: string
  /** Given up, and the sender was told with this status. */
  readonly bounced?: string
  /** Put off by the next server; this is what the queue has of it. */
  readonly lifeSeconds?: number
  readonly tags?: readonly string[]
  readonly to?: 'first' | 'second'
  /** Who the client is. */
  readonly identity?: string
  /** Values of the field X-Seen as delivered. */
  readonly seen?: readonly string[]
  readonly fault?: FaultKind
}

export interface Row {
  readonly outcome: Refused | Taken
  /** What another plugin is told at this hook besides. */
  readonly beside?: string
  readonly recipients?: readonly string[]
}

const refused = (refusedAt: Place, reply: string, more: Partial<Refused> = {}): Row => ({
  outcome: { refusedAt, reply, closes: false, ...more },
})
const taken = (more: Omit<Taken, 'refusedAt'> = {}, row: Omit<Row, 'outcome'> = {}): Row => ({
  outcome: { refusedAt: null, ...more },
  ...row,
})

const HELD = taken({ held: 'one: to be looked at' })
const DISCARDED = taken({ isDiscarded: true })
/** So that the queue can be looked at. */
const PUT_OFF = { recipients: ['later@example.test'] } as const
const TAGGED = taken({ tags: ['one known=well'] }, PUT_OFF)
/** At `auth`: somebody else says who it is. */
const BESIDE = { beside: 'two-accept' } as const

/** Rows of a hook at which a failure is heard like this, and mail goes on like that under `skip` and `hold`. */
function failing(hook: HookName, deferred: Row, row: Omit<Row, 'outcome'> = {}) {
  const as = (fault: Failure, plugins: { readonly [onError in OnError]: PluginName }) => ({
    [`${fault} defer`]: { ...deferred, outcome: { ...deferred.outcome, fault } },
    [`${fault} skip`]: taken({ fault }, row),
    [`${fault} hold`]: taken({ fault, held: `${plugins.hold}: failed in ${hook}` }, row),
  })
  const able = { defer: 'one', skip: 'skipping', hold: 'holding' } as const
  const powerless = { defer: 'powerless', skip: 'powerlessskip', hold: 'powerlesshold' } as const
  return {
    ...as('throw', able),
    ...as('invalid-answer', able),
    ...as('denied', powerless),
  } as { readonly [word in `${Failure} ${OnError}`]: Row }
}

/** Rows of a hook that comes after everything: a failure changes nothing, whatever `onError` says. */
function unheard() {
  const rows = (['throw', 'invalid-answer', 'denied'] as const).flatMap((fault) =>
    // A hold is what the plugin without permissions tries, and nobody may hold there.
    ON_ERROR.map((onError) => [
      `${fault} ${onError}`,
      taken({ fault: fault === 'denied' ? 'invalid-answer' : fault }),
    ]),
  )
  return Object.fromEntries(rows) as { readonly [word in `${Failure} ${OnError}`]: Row }
}

/** An answer or an action the hook does not have: the whole answer is a failure. */
const foreignTo = (place: Place, reply = '451 4.3.0'): Row =>
  refused(place, reply, { fault: 'invalid-answer' })
const FOREIGN = {
  mail: foreignTo('mail'),
  rcpt: foreignTo('rcpt'),
  dot: foreignTo('dot'),
  deliver: taken({ putOff: '4.3.0', fault: 'invalid-answer' }),
  tell: taken({ fault: 'invalid-answer' }),
} as const
const FOREIGN_AT_AUTH = foreignTo('auth', '454 4.7.0')

export const ROWS: { readonly [hook in HookName]: { readonly [word in Word]: Row } } = {
  connect: {
    none: taken(),
    pass: taken(),
    reject: refused('connect', '554 5.7.1', { closes: true }),
    defer: refused('connect', '421 4.7.1', { closes: true }),
    disconnect: refused('connect', '421 4.7.0', { closes: true }),
    'disconnect for good': refused('connect', '554 5.7.0', { closes: true }),
    wait: FOREIGN.mail,
    accept: FOREIGN.mail,
    hold: HELD,
    discard: FOREIGN.mail,
    tag: TAGGED,
    expire: FOREIGN.mail,
    'header.add': FOREIGN.mail,
    'header.remove': FOREIGN.mail,
    'relay.grant': FOREIGN.mail,
    'route.set': FOREIGN.mail,
    'auth.accept': FOREIGN.mail,
    ...failing('connect', refused('mail', '451 4.3.0')),
  },
  helo: {
    none: taken(),
    pass: taken(),
    reject: refused('helo', '550 5.7.1'),
    defer: refused('helo', '450 4.7.1'),
    disconnect: refused('helo', '421 4.7.0', { closes: true }),
    'disconnect for good': refused('helo', '554 5.7.0', { closes: true }),
    wait: FOREIGN.mail,
    accept: FOREIGN.mail,
    hold: HELD,
    discard: FOREIGN.mail,
    tag: TAGGED,
    expire: FOREIGN.mail,
    'header.add': FOREIGN.mail,
    'header.remove': FOREIGN.mail,
    'relay.grant': FOREIGN.mail,
    'route.set': FOREIGN.mail,
    'auth.accept': FOREIGN.mail,
    ...failing('helo', refused('mail', '451 4.3.0')),
  },
  auth: {
    none: refused('auth', '535 5.7.8'),
    pass: refused('auth', '535 5.7.8'),
    reject: refused('auth', '535 5.7.1'),
    defer: refused('auth', '454 4.7.1'),
    disconnect: refused('auth', '421 4.7.0', { closes: true }),
    'disconnect for good': refused('auth', '554 5.7.0', { closes: true }),
    wait: FOREIGN_AT_AUTH,
    accept: taken({ identity: 'anna@example.test' }),
    hold: { ...HELD, ...BESIDE },
    discard: FOREIGN_AT_AUTH,
    tag: { ...TAGGED, ...BESIDE },
    expire: FOREIGN_AT_AUTH,
    'header.add': FOREIGN_AT_AUTH,
    'header.remove': FOREIGN_AT_AUTH,
    'relay.grant': FOREIGN_AT_AUTH,
    'route.set': FOREIGN_AT_AUTH,
    'auth.accept': taken({ identity: 'anna@example.test' }),
    ...failing('auth', refused('auth', '454 4.7.0'), BESIDE),
  },
  mail: {
    none: taken(),
    pass: taken(),
    reject: refused('mail', '550 5.7.1'),
    defer: refused('mail', '451 4.7.1'),
    disconnect: refused('mail', '421 4.7.0', { closes: true }),
    'disconnect for good': refused('mail', '554 5.7.0', { closes: true }),
    wait: FOREIGN.mail,
    accept: FOREIGN.mail,
    hold: HELD,
    discard: DISCARDED,
    tag: TAGGED,
    expire: FOREIGN.mail,
    'header.add': FOREIGN.mail,
    'header.remove': FOREIGN.mail,
    'relay.grant': FOREIGN.mail,
    'route.set': FOREIGN.mail,
    'auth.accept': FOREIGN.mail,
    ...failing('mail', refused('mail', '451 4.3.0')),
  },
  rcpt: {
    none: taken(),
    pass: taken(),
    reject: refused('rcpt', '550 5.7.1'),
    defer: refused('rcpt', '450 4.7.1'),
    disconnect: refused('rcpt', '421 4.7.0', { closes: true }),
    'disconnect for good': refused('rcpt', '554 5.7.0', { closes: true }),
    wait: FOREIGN.rcpt,
    accept: FOREIGN.rcpt,
    hold: HELD,
    discard: DISCARDED,
    tag: taken({ tags: ['one known=well'] }),
    expire: FOREIGN.rcpt,
    'header.add': FOREIGN.rcpt,
    'header.remove': FOREIGN.rcpt,
    'relay.grant': taken({}, { recipients: ['rcpt-one-relaygrant@elsewhere.example'] }),
    'route.set': FOREIGN.rcpt,
    'auth.accept': FOREIGN.rcpt,
    ...failing('rcpt', refused('rcpt', '451 4.3.0')),
  },
  data: {
    none: taken(),
    pass: taken(),
    reject: refused('dot', '554 5.7.1'),
    defer: refused('dot', '451 4.7.1'),
    disconnect: refused('dot', '421 4.7.0', { closes: true }),
    'disconnect for good': refused('dot', '554 5.7.0', { closes: true }),
    wait: FOREIGN.dot,
    accept: FOREIGN.dot,
    hold: HELD,
    discard: DISCARDED,
    tag: TAGGED,
    expire: taken({ lifeSeconds: 600 }, PUT_OFF),
    'header.add': taken({ seen: ['one', 'before'] }),
    'header.remove': taken({ seen: [] }),
    'relay.grant': FOREIGN.dot,
    'route.set': taken({ to: 'first' }),
    'auth.accept': FOREIGN.dot,
    ...failing('data', refused('dot', '451 4.3.0')),
  },
  queue: {
    none: taken(),
    pass: taken(),
    reject: FOREIGN.dot,
    defer: refused('dot', '451 4.7.1'),
    disconnect: FOREIGN.dot,
    'disconnect for good': FOREIGN.dot,
    wait: FOREIGN.dot,
    accept: FOREIGN.dot,
    hold: HELD,
    discard: DISCARDED,
    tag: TAGGED,
    expire: taken({ lifeSeconds: 600 }, PUT_OFF),
    'header.add': FOREIGN.dot,
    'header.remove': FOREIGN.dot,
    'relay.grant': FOREIGN.dot,
    'route.set': taken({ to: 'first' }),
    'auth.accept': FOREIGN.dot,
    ...failing('queue', refused('dot', '451 4.3.0')),
  },
  deliver: {
    none: taken(),
    pass: taken(),
    reject: taken({ bounced: '5.7.1' }),
    defer: taken({ putOff: '4.7.1' }),
    wait: taken({ putOff: '4.7.0' }),
    disconnect: FOREIGN.deliver,
    'disconnect for good': FOREIGN.deliver,
    accept: FOREIGN.deliver,
    hold: HELD,
    discard: FOREIGN.deliver,
    tag: FOREIGN.deliver,
    expire: FOREIGN.deliver,
    'header.add': FOREIGN.deliver,
    'header.remove': FOREIGN.deliver,
    'relay.grant': FOREIGN.deliver,
    'route.set': taken({ to: 'first' }),
    'auth.accept': FOREIGN.deliver,
    ...failing('deliver', taken({ putOff: '4.3.0' })),
  },
  // Nobody waits for an answer any more.
  tell: {
    none: taken(),
    pass: taken(),
    reject: FOREIGN.tell,
    defer: FOREIGN.tell,
    wait: FOREIGN.tell,
    disconnect: FOREIGN.tell,
    'disconnect for good': FOREIGN.tell,
    accept: FOREIGN.tell,
    hold: FOREIGN.tell,
    discard: FOREIGN.tell,
    tag: FOREIGN.tell,
    expire: FOREIGN.tell,
    'header.add': FOREIGN.tell,
    'header.remove': FOREIGN.tell,
    'relay.grant': FOREIGN.tell,
    'route.set': FOREIGN.tell,
    'auth.accept': FOREIGN.tell,
    ...unheard(),
  },
}

/** Several wishes that do not go together. */
export const CONFLICTS: readonly (readonly [string, Orders, Row])[] = [
  [
    'hold over discard at one hook',
    { data: 'one-discard two-hold' },
    taken({ held: 'two: to be looked at' }),
  ],
  ['hold over discard at a later hook', { data: 'one-hold', queue: 'two-discard' }, HELD],
  ['hold over an earlier discard', { mail: 'one-discard', queue: 'one-hold' }, HELD],
  ['hold of a session over discard', { helo: 'one-hold', mail: 'two-discard' }, HELD],
  [
    'a failing plugin that holds over discard',
    { data: 'one-discard holding-throw' },
    taken({ held: 'holding: failed in data' }),
  ],
  ['a refusal over discard', { data: 'one-discard two-reject' }, refused('dot', '554 5.7.1')],
  [
    'a refusal over hold, and a held session goes on',
    { rcpt: 'one-hold two-defer' },
    refused('rcpt', '450 4.7.1'),
  ],
  [
    'a discard of one recipient at rcpt leaves the other',
    { rcpt: 'one-discard' },
    taken({}, { recipients: ['rcpt-one-discard@example.test', 'anna@example.test'] }),
  ],
  [
    'a discard of one recipient at data leaves the other',
    { data: 'one-discardsome' },
    taken({}, { recipients: ['some@example.test', 'anna@example.test'] }),
  ],
  [
    'a hold of one recipient over a discard of both',
    { data: 'one-discard', queue: 'two-holdsome' },
    taken({ held: 'two: to be looked at' }, { recipients: ['anna@example.test', 'some@example.test'] }),
  ],
  ['naming recipients at mail', { mail: 'one-holdsome' }, FOREIGN.mail],
  ['naming recipients at rcpt', { rcpt: 'one-discardsome' }, FOREIGN.rcpt],
  ['the first route at one hook', { data: 'one-routeset two-routesecond' }, taken({ to: 'first' })],
  [
    'the first route at two hooks',
    { data: 'two-routesecond', queue: 'one-routeset' },
    taken({ to: 'second' }),
  ],
  [
    'a field added and removed: what was there goes',
    { data: 'one-headeradd two-headerremove' },
    taken({ seen: ['one'] }),
  ],
  [
    'a field removed and added: the same',
    { data: 'one-headerremove two-headeradd' },
    taken({ seen: ['two'] }),
  ],
  [
    'a grant and then a refusal',
    { rcpt: 'one-relaygrant two-reject' },
    {
      ...refused('rcpt', '550 5.7.1'),
      recipients: ['rcpt-one-relaygrant.rcpt-two-reject@elsewhere.example'],
    },
  ],
  [
    'a grant and a failure that is skipped',
    { rcpt: 'one-relaygrant skipping-throw' },
    taken({}, { recipients: ['rcpt-one-relaygrant.rcpt-skipping-throw@elsewhere.example'] }),
  ],
  [
    'no grant and a failure that is skipped',
    { rcpt: 'skipping-throw' },
    { ...refused('rcpt', '451 4.3.0'), recipients: ['rcpt-skipping-throw@elsewhere.example'] },
  ],
  [
    'no grant and nobody fails',
    { rcpt: 'one-none' },
    { ...refused('rcpt', '550 5.7.1'), recipients: ['rcpt-one-none@elsewhere.example'] },
  ],
  [
    'a discard grants nothing',
    { rcpt: 'one-discard' },
    {
      ...refused('rcpt', '550 5.7.1'),
      recipients: ['rcpt-one-discard@elsewhere.example'],
    },
  ],
  ['the shortest life', { data: 'one-expire two-expireshort' }, taken({ lifeSeconds: 120 }, PUT_OFF)],
  [
    'the shortest life, said first',
    { data: 'one-expireshort', queue: 'two-expire' },
    taken({ lifeSeconds: 120 }, PUT_OFF),
  ],
  [
    'a life longer than the configured one',
    { queue: 'one-expirelong' },
    taken({ lifeSeconds: 432_000 }, PUT_OFF),
  ],
  [
    'tags of two plugins, one of them twice',
    { helo: 'one-tag', mail: 'two-tag', data: 'one-tag' },
    taken({ tags: ['one known=well', 'two known=well'] }, PUT_OFF),
  ],
  ['an acceptance and then a refusal', { auth: 'one-accept two-reject' }, refused('auth', '535 5.7.1')],
  [
    'an acceptance and then a failure',
    { auth: 'one-accept two-throw' },
    refused('auth', '454 4.7.0', { fault: 'throw' }),
  ],
  [
    'a failure that is skipped, and nobody knows the client',
    { auth: 'skipping-throw' },
    refused('auth', '454 4.7.0'),
  ],
  ['two acceptances', { auth: 'one-accept two-acceptother' }, taken({ identity: 'anna@example.test' })],
  ['an action beside an answer that is none', { data: 'one-hold one-invalid' }, foreignTo('dot')],
]
