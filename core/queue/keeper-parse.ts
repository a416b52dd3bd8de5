/** What comes over a socket, checked before it is believed. Its arguments are checked where they are used. */
import type { Answer, Call, QueueOperations, SharedOperations, StateOperations } from './keeper-protocol.ts'
import { StoreFault } from './queue-store.ts'

/** Every call there is: what is missing here does not compile. */
const CALLS = {
  queue: {
    add: true,
    claim: true,
    content: true,
    renew: true,
    settle: true,
    release: true,
    reclaim: true,
    list: true,
    command: true,
    counts: true,
    stored: true,
    ages: true,
    suspend: true,
    resume: true,
    suspensions: true,
    begin: true,
    'set-aside': true,
  } satisfies Record<keyof QueueOperations, true>,
  state: { get: true, set: true, increment: true, delete: true } satisfies Record<
    keyof StateOperations,
    true
  >,
  shared: {
    acquire: true,
    release: true,
    'add-tallies': true,
    tallies: true,
    'clear-tallies': true,
    'add-usage': true,
  } satisfies Record<keyof SharedOperations, true>,
} as const

/** Longest name of a lease's owner, in characters. */
const MAX_OWNER = 200

/** What came cannot be understood: the other side is not to be believed any more. */
export class ProtocolFault extends Error {}

/** @throws ProtocolFault */
export function parseCalls(text: string): readonly Call[] {
  return listIn(text).map((item) => {
    const { id, store, call } = fieldsOf(item)
    const { name, arguments: given } = fieldsOf(call)
    if (!Number.isSafeInteger(id)) throw new ProtocolFault('a call without a number')
    if (typeof store !== 'string' || !Object.hasOwn(CALLS, store))
      throw new ProtocolFault('a call to no store')
    const names = CALLS[store as keyof typeof CALLS]
    if (typeof name !== 'string' || !Object.hasOwn(names, name)) throw new ProtocolFault('an unknown call')
    fieldsOf(given)
    return item as Call
  })
}

/** @throws ProtocolFault */
export function parseAnswers(text: string): readonly Answer[] {
  return listIn(text).map((item) => {
    const answer = fieldsOf(item)
    if (!Number.isSafeInteger(answer['id'])) throw new ProtocolFault('an answer without a number')
    if ('fault' in answer) parseFault(answer['fault'])
    else if (!('value' in answer)) throw new ProtocolFault('an answer without a value')
    return item as Answer
  })
}

/** Name of the owner who says hello. @throws ProtocolFault */
export function parseHello(text: string): string {
  const { owner } = fieldsOf(parse(text))
  if (typeof owner !== 'string' || owner === '' || owner.length > MAX_OWNER)
    throw new ProtocolFault('a hello without a name')
  return owner
}

/** @throws ProtocolFault */
export function parseRefusal(text: string): StoreFault {
  return parseFault(parse(text))
}

/** What answers a batch of which the calls, or the answers, cannot be sent. */
export function faultsFor(text: string, message: string): readonly Answer[] {
  return (JSON.parse(text) as readonly (Call | Answer)[]).map(({ id }) => {
    return { id, fault: { code: 'unavailable', message } }
  })
}

function parseFault(fault: unknown): StoreFault {
  const { code, message } = fieldsOf(fault)
  if ((code !== 'full' && code !== 'damaged' && code !== 'unavailable') || typeof message !== 'string')
    throw new ProtocolFault('a fault that is none')
  return new StoreFault(code, message)
}

function listIn(text: string): readonly unknown[] {
  const list = parse(text)
  if (!Array.isArray(list)) throw new ProtocolFault('no list')
  return list
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ProtocolFault('no object')
  return value as Record<string, unknown>
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Its message repeats what came.
    throw new ProtocolFault('no JSON')
  }
}
