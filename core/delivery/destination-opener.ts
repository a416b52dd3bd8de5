/** Which channel leads to which destination. */
import { isIP } from 'node:net'
import { parseDestination } from '../mail/destination.ts'
import type { Clock } from '../observe/clock.ts'
import type { Channel, Opener, Outgoing } from './channel.ts'
import { type ClientTimeouts, openSmtp } from './client.ts'
import { openNamedHost } from './host-opener.ts'
import { openMailExchanger } from './mail-exchanger-opener.ts'
import { openMaildir } from './maildir.ts'
import type { NextHops } from './next-hops.ts'
import type { Met } from './outcome.ts'

export interface OpenerOptions {
  readonly hostname: string
  readonly timeouts: ClientTimeouts
  readonly clock: Clock
  readonly nextHops: NextHops
}

/** How channels of this route are opened. A route nobody can read holds its mail with the reason. */
export function openerOf(route: string, options: OpenerOptions): Opener {
  const destination = parseDestination(route)
  if (typeof destination === 'string') {
    const met: Met = { kind: 'misrouted', text: `no delivery to ${route}: ${destination}` }
    return () => Promise.resolve({ ok: true, channel: new ConstantChannel(route, met) })
  }
  switch (destination.kind) {
    case 'smtp':
      return isIP(destination.host) === 0
        ? (signal) => openNamedHost(destination, options, signal)
        : (signal) => openSmtp(destination, options, signal)
    case 'mx':
      return (signal) => openMailExchanger(destination.domain, options, signal)
    case 'maildir':
      return () => openMaildir(destination.path, options)
    case 'discard':
      return () => Promise.resolve({ ok: true, channel: new ConstantChannel(route, DISCARDED) })
  }
}

/** Whether the way leads over a connection. */
export function needsConnection(route: string): boolean {
  const destination = parseDestination(route)
  return typeof destination !== 'string' && (destination.kind === 'smtp' || destination.kind === 'mx')
}

const DISCARDED: Met = Object.freeze({ kind: 'kept', text: 'discarded' })

/** Every message meets the same. */
class ConstantChannel implements Channel {
  readonly remote: string
  readonly isUsable = true
  readonly #met: Met

  constructor(remote: string, met: Met) {
    this.remote = remote
    this.#met = met
  }

  carry({ recipients }: Outgoing): Promise<readonly Met[]> {
    return Promise.resolve(recipients.map(() => this.#met))
  }

  quit(): void {}

  abort(): void {}
}
