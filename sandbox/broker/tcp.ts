/**
 * Capability `tcp`: one question and one answer on a connection of its own, with a service of the permission: scanners
 * and tables that speak no HTTP.
 */
import { TcpFault, type TcpRequest } from '../../core/tcp.ts'
import { tcpTarget } from '../tcp-target.ts'
import type { AtOnce } from './at-once.ts'
import type { NameLookups } from './dns.ts'
import {
  type Caller,
  type Effect,
  EffectRefused,
  type NamedEffect,
  PermissionDenied,
  Unavailable,
} from './effect.ts'
import { Reachable } from './reachable.ts'
import { chunksOf, messageToSend } from './sent-message.ts'
import { checkedExchange, type TcpPiece } from './tcp-request.ts'

export type TcpDoor = (request: TcpRequest & { readonly target: string }) => Promise<Uint8Array>

export interface TcpParts {
  readonly door: TcpDoor
  readonly resolver: NameLookups
  /** How many of one plugin's at once. */
  readonly exchanges: AtOnce
  /** In [0, 1): which of several addresses is first. */
  readonly random: () => number
}

export function tcpEffects({ door, resolver, exchanges, random }: TcpParts): readonly NamedEffect[] {
  const reachable = new Reachable(resolver, random)
  const exchange: Effect = {
    // It may change something at the other side.
    write: true,
    run: (caller, args) => exchanges.during(caller.plugin, () => exchanged(caller, args, door, reachable)),
  }
  return [['tcp.exchange', exchange]]
}

async function exchanged(
  caller: Caller,
  args: readonly unknown[],
  door: TcpDoor,
  reachable: Reachable,
): Promise<unknown> {
  const { target, pieces, octets, ...asked } = checkedExchange(args, caller.question.pluginMs)
  const place = tcpTarget(target)
  if (place === null) throw new EffectRefused('a target is host:port, as in the permission')
  if (!caller.permissions.tcp.allows(target))
    throw new PermissionDenied('tcp', `the permission tcp does not cover "${target}"`)
  const chunks = sentChunks(pieces, caller)
  const addresses = await reachable.addresses(caller, { ...place, name: target, permission: 'tcp' })
  try {
    const answer = await door({ ...asked, target, chunks, addresses, port: place.port })
    return Buffer.from(answer).toString(octets ? 'latin1' : 'utf8')
  } catch (error) {
    if (error instanceof TcpFault) throw new Unavailable(`${target}: ${error.message}`)
    throw error
  }
}

/** @throws PermissionDenied, EffectRefused when the message is one of them and may not be sent */
function sentChunks(pieces: readonly TcpPiece[], caller: Caller): AsyncGenerator<Uint8Array> {
  const message = pieces.some(({ kind }) => kind !== 'bytes') ? messageToSend(caller) : null
  return (async function* () {
    for (const piece of pieces)
      if (piece.kind === 'bytes') yield piece.bytes
      else if (message !== null)
        yield* piece.kind === 'message' ? chunksOf(message) : framed(chunksOf(message))
  })()
}

/** Each piece behind its length in four octets, the largest first; a length of 0 ends them. */
async function* framed(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks)
    if (chunk.byteLength > 0) yield Buffer.concat([length(chunk.byteLength), chunk])
  yield length(0)
}

function length(octets: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(octets)
  return bytes
}
