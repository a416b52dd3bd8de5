/** The SMTP server a message is sent to: the one named, or the first mx listener of the gateway. */
import type { Control } from '../admin/control.ts'
import type { CommandLine } from './command-line.ts'
import { CommandFault, EXIT } from './exit-code.ts'

export interface Endpoint {
  readonly host: string
  readonly port: number
  /** As a person reads it: `127.0.0.1:2525`. */
  readonly name: string
}

/** @throws CommandFault when the text is no `host:port`, or the configuration has no mx listener */
export async function sendingServer(line: CommandLine, control: Control, named?: string): Promise<Endpoint> {
  if (named !== undefined) return parseServer(named)
  const listener = (await line.config()).listeners.find(({ role }) => role === 'mx')
  if (listener === undefined)
    throw new CommandFault(
      EXIT.usage,
      'Send where? The configuration has no mx listener.\nFix: name one with --server',
    )
  const { host, port } = listener
  return port === 0 ? await runningListener(control) : endpoint(host, port)
}

/** The system chose the port, so only the gateway knows it. */
async function runningListener(control: Control): Promise<Endpoint> {
  const listeners = (await control.status()).gateway?.listeners ?? []
  const listener = listeners.find(({ role }) => role === 'mx')
  if (listener === undefined)
    throw new CommandFault(EXIT.unreachable, 'The gateway has no mx listener at the moment.')
  return parseServer(listener.address)
}

function parseServer(text: string): Endpoint {
  const match = /^(?:\[([^\]]+)\]|([^[\]:]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3] ?? 0)
  if (match === null || port < 1 || port > 65_535)
    throw new CommandFault(
      EXIT.usage,
      `--server cannot be ${text}: it needs the form HOST:PORT, as in 127.0.0.1:2525`,
    )
  return endpoint(match[1] ?? match[2] ?? '', port)
}

/** A listener on every address is reached at the loopback one. */
function endpoint(host: string, port: number): Endpoint {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return { host: reachable, port, name: `${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}` }
}
