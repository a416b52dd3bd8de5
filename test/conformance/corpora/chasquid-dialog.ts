/**
 * Plays a conversation of chasquid's tests (`.cmy`) and says where another server answered otherwise. Replies are
 * compared by code and enhanced status, for their text is everybody's own (RFC 5321 §4.2).
 */
import type { RawClient } from '../../support/raw-client.ts'

/** A line of the file whose reply was another one. */
export interface Difference {
  readonly line: number
  readonly expected: string
  readonly heard: string
}

export interface DialogServer {
  connect(): Promise<RawClient>
}

/** What a line says that we are sent in another form, by its number in the file; both are sent. */
export type Respelt = Readonly<Record<number, string>>

/** Plays `text` and gives back the differences, in their order. */
export async function playDialog(
  text: string,
  server: DialogServer,
  respelt: Respelt = {},
): Promise<readonly Difference[]> {
  const differences: Difference[] = []
  let client: RawClient | null = null
  for (const [index, raw] of text.split('\n').entries()) {
    const step = /^c (tls_connect|tcp_connect|close|->|~>|<-|<~|<\.\.\.) ?(.*)$/.exec(raw)
    if (step === null) {
      if (raw !== '' && !raw.startsWith('#')) throw new Error(`line ${index + 1} says nothing: ${raw}`)
      continue
    }
    const [, verb = '', rest = ''] = step
    if (verb.endsWith('_connect')) {
      client?.destroy()
      client = await server.connect()
      if (verb === 'tls_connect') await client.secure()
      continue
    }
    if (client === null) throw new Error(`line ${index + 1} comes before the connection`)
    if (verb === 'close') client.destroy()
    else if (verb === '->') {
      client.raw(Buffer.from(`${rest}\r\n`))
      const other = respelt[index + 1]
      if (other === undefined) continue
      differences.push({ line: index + 1, expected: '250', heard: headOf(await client.reply()) })
      client.raw(Buffer.from(`${other}\r\n`))
    } else if (verb === '~>') client.raw(octetsOf(rest))
    else compare(index + 1, verb === '<...' ? '250' : rest, await client.reply(), differences)
  }
  client?.destroy()
  return differences
}

function compare(line: number, expected: string, reply: string, differences: Difference[]): void {
  const wanted = headOf(expected)
  const heard = headOf(reply)
  if (!`${heard} `.startsWith(`${wanted} `)) differences.push({ line, expected: wanted, heard })
}

/** Code, and enhanced status where there is one. */
function headOf(reply: string): string {
  return /^\d{3}(?:[ -]\d\.\d{1,3}\.\d{1,3})?/.exec(reply)?.[0].replace('-', ' ') ?? reply
}

/** `('a' * 899 + '\r\n') * 1165`, as Python means it. */
function octetsOf(expression: string): Buffer {
  const tokens = expression.match(/'[^']*'|\d+|[()+*]/g) ?? []
  const take = (): string => tokens.shift() ?? ''
  const factor = (): string => {
    let token = take()
    if (token === '(') {
      token = sum()
      take()
    } else token = JSON.parse(`"${token.slice(1, -1)}"`) as string
    while (tokens[0] === '*') {
      take()
      token = token.repeat(Number(take()))
    }
    return token
  }
  const sum = (): string => {
    let text = factor()
    while (tokens[0] === '+') {
      take()
      text += factor()
    }
    return text
  }
  return Buffer.from(sum(), 'latin1')
}
