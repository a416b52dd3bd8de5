/** Lines that begin with a dot, which has to be taken out, against lines that do not. */
import { Gateway } from '../../support/gateway.ts'
import { RawClient } from '../../support/raw-client.ts'
import { median, type Row } from './row.ts'
import { messageOf } from './session.ts'

const MIB = 1024 * 1024

export interface DotsFound {
  /** Milliseconds of one message, median. */
  readonly plainMs: number
  readonly dottedMs: number
}

/** Sends messages of 1 MiB in turns over one connection: from the first octet to the reply. */
export async function timeDots(rounds: number): Promise<DotsFound> {
  await using gateway = await Gateway.start({
    domains: { 'example.test': { deliver: 'discard:' } },
    limits: 'off',
  })
  const plain = messageOf(MIB, `x${'y'.repeat(75)}\r\n`)
  // On the wire already, and as long there as the others.
  const dotted = messageOf(MIB, `..${'y'.repeat(74)}\r\n`)
  using client = await RawClient.greeted({ port: gateway.port })
  const time = async (wire: Buffer): Promise<number> => {
    await client.expect('250', 'MAIL FROM:<sender@client.example>')
    await client.expect('250', 'RCPT TO:<rcpt@example.test>')
    await client.expect('354', 'DATA')
    const startedAt = performance.now()
    client.raw(wire)
    await client.expect('250', '.')
    return performance.now() - startedAt
  }
  const plains: number[] = []
  const dotteds: number[] = []
  for (let i = 0; i < rounds + 5; i++) {
    plains.push(await time(plain))
    dotteds.push(await time(dotted))
  }
  // The first of them pay for compilation.
  return { plainMs: median(plains.slice(5)), dottedMs: median(dotteds.slice(5)) }
}

export async function dotsRows(isQuick: boolean): Promise<readonly Row[]> {
  const { plainMs, dottedMs } = await timeDots(isQuick ? 20 : 100)
  return [
    { what: 'dots, 1 MiB: plain lines', value: plainMs, unit: 'ms', goal: null },
    { what: 'dots, 1 MiB: lines with a doubled dot', value: dottedMs, unit: 'ms', goal: null },
    { what: 'dots, 1 MiB: ratio', value: dottedMs / plainMs, unit: '', goal: 2 },
  ]
}
