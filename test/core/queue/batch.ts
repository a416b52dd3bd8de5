/** A keeper's service without its thread, called with plain objects. */
import type { TestContext } from 'node:test'
import { parseCalls } from '../../../core/queue/keeper-parse.ts'
import type { Answer, QueueCall, StateCall, WireBytes } from '../../../core/queue/keeper-protocol.ts'
import { packContent } from '../../../core/queue/keeper-protocol.ts'
import { KeeperService, type Peer } from '../../../core/queue/keeper-service.ts'
import type { Lease, NewMessage } from '../../../core/queue/queue-store.ts'
import { NOW } from '../../conformance/queue-store/fixture.ts'

/** A value, or the code of a fault. */
export type Outcome = { readonly value: unknown } | { readonly fault: string }

export function openService(t: TestContext, directory: string): KeeperService {
  const service = new KeeperService(directory, NOW)
  t.after(() => service.close())
  return service
}

/** Runs calls as one batch that arrived at once; outcomes in their order. */
export function run(
  service: KeeperService,
  calls: readonly (QueueCall | StateCall)[],
  parts: ArrayBuffer[] = [],
): Outcome[] {
  const numbered = calls.map((call, id) => ({ id, store: isState(call) ? 'state' : 'queue', call }))
  const answers: Answer[] = []
  const peer: Peer = {
    owner: 'worker-1',
    answer: ({ text }) => answers.push(...(JSON.parse(text) as Answer[])),
  }
  service.run([{ peer, calls: parseCalls(JSON.stringify(numbered)), parts }])
  return calls.map((_, id) => {
    const answer = answers.find((candidate) => candidate.id === id)
    if (answer === undefined) throw new Error(`no answer to call ${id}`)
    return 'fault' in answer ? { fault: answer.fault.code } : { value: answer.value }
  })
}

/** An add and the octets it needs beside it. */
export function addCall(message: NewMessage, lease: Lease | null, parts: ArrayBuffer[]): QueueCall {
  const place = (bytes: Uint8Array): WireBytes => {
    parts.push(new Uint8Array(bytes).buffer)
    return { part: parts.length - 1, offset: 0, length: bytes.byteLength }
  }
  return {
    name: 'add',
    arguments: { message: { ...message, stored: packContent(message.stored, place) }, lease },
  }
}

export function add(service: KeeperService, message: NewMessage, lease: Lease | null = null): Outcome {
  const parts: ArrayBuffer[] = []
  const [outcome] = run(service, [addCall(message, lease, parts)], parts)
  if (outcome === undefined) throw new Error('no answer')
  return outcome
}

const STATE_CALLS = ['get', 'set', 'increment', 'delete']

function isState(call: QueueCall | StateCall): call is StateCall {
  return STATE_CALLS.includes(call.name)
}
