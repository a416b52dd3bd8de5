/** Messages to send, and the comparison of what arrived with what was sent: octet for octet below the fields in front. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'

/** A small message; `lines` are its body. */
export function message(subject: string, lines: readonly string[] = ['Hello,', '.', '..and a dot.']): Buffer {
  const header = [
    'From: <sender@client.example>',
    'To: <recipient@example.test>',
    `Subject: ${subject}`,
    'Date: Tue, 24 Nov 2026 12:00:00 +0000',
  ]
  return Buffer.from([...header, '', ...lines, ''].join('\r\n'), 'latin1')
}

/** A message of about this size whose octets follow from `seed`: 8-bit ones, dots in front, lines of every length. */
export function largeMessage(subject: string, sizeBytes: number, seed: string): Buffer {
  const body = Buffer.alloc(sizeBytes)
  for (let at = 0, block = 0; at < sizeBytes; block++)
    at += createHash('sha512').update(`${seed} ${block}`).digest().copy(body, at)
  for (let at = 0; at < sizeBytes; at++) {
    const octet = body[at]
    if (octet === 0 || octet === 10 || octet === 13) body[at] = 0x2e
  }
  // Line ends at places the octets themselves choose, none farther apart than a line may be long.
  for (let at = 0; at + 2 < sizeBytes; at += 3 + (body[at + 2] ?? 0) * 3) body.write('\r\n', at, 'latin1')
  return Buffer.concat([message(subject, []), body, Buffer.from('\r\n')])
}

/**
 * Names of the header fields in front of `sent`, in order.
 *
 * @throws AssertionError when what arrived does not end with exactly what was sent, or anything but whole fields is
 * in front of it
 */
export function addedFields(arrived: Uint8Array, sent: Uint8Array): readonly string[] {
  const whole = Buffer.from(arrived)
  const front = whole.subarray(0, Math.max(0, whole.length - sent.length))
  assert.ok(whole.subarray(front.length).equals(sent), difference(whole, sent))
  const unfolded = front.toString('latin1').replace(/\r\n[ \t]/g, ' ')
  if (unfolded === '') return []
  assert.ok(unfolded.endsWith('\r\n'), `whole fields in front, not ${JSON.stringify(unfolded.slice(-80))}`)
  return unfolded
    .slice(0, -2)
    .split('\r\n')
    .map((line) => {
      const name = /^([!-9;-~]+):/.exec(line)?.[1]
      assert.ok(name !== undefined, `a field in front, not ${JSON.stringify(line.slice(0, 80))}`)
      return name
    })
}

/** What is behind these fields, which must stand in front, each once and in this order. */
export function withoutFront(content: Buffer, names: readonly string[]): Buffer {
  const fields = names.map((name) => `${name}: [^\\r\\n]*\\r\\n(?:[ \\t][^\\r\\n]*\\r\\n)*`).join('')
  // Fields are short: the rest of a large message need not become text.
  const front = new RegExp(`^${fields}`).exec(content.subarray(0, 4_096).toString('latin1'))?.[0]
  assert.ok(
    front !== undefined,
    `${names.join(', ')} in front of ${content.subarray(0, 400).toString('latin1')}`,
  )
  return content.subarray(front.length)
}

/** A maildir's lines end with LF; on the wire they end with CRLF. */
export function asOnWire(kept: Uint8Array): Buffer {
  const text = Buffer.from(kept).toString('latin1')
  assert.ok(!text.includes('\r'), 'no CR in a maildir')
  return Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1')
}

function difference(arrived: Buffer, sent: Uint8Array): string {
  const end = arrived.subarray(-120).toString('latin1')
  return `${arrived.length} octets arrived that do not end with the ${sent.length} sent; their end: ${JSON.stringify(end)}`
}
