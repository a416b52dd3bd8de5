import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  FRAME,
  type Frame,
  FrameFault,
  FrameReader,
  frameOctets,
  MAX_FRAME_BYTES,
} from '../../../core/queue/keeper-frames.ts'

const buffer = (text: string): ArrayBuffer => new Uint8Array(Buffer.from(text)).buffer
const FRAMES = [
  { kind: FRAME.hello, text: '{"owner":"grüß"}', parts: [] },
  { kind: FRAME.calls, text: '[]', parts: [buffer('octets'), buffer(''), buffer('\0\xff')] },
  { kind: FRAME.work, text: '', parts: [] },
  { kind: FRAME.answers, text: '', parts: [buffer('')] },
] as const
const STREAM = Buffer.concat(FRAMES.flatMap(({ kind, text, parts }) => frameOctets(kind, text, parts)))

function plain(frames: readonly Frame[]): unknown {
  return frames.map(({ kind, text, parts }) => ({
    kind,
    text,
    parts: parts.map((part) => Buffer.from(part).toString('latin1')),
  }))
}

for (const size of [1, 2, 3, 7, 11, 12, 13, 64, STREAM.length]) {
  test(`frames come out as they went in, in pieces of ${size}`, () => {
    const reader = new FrameReader()
    const frames: Frame[] = []
    for (let start = 0; start < STREAM.length; start += size)
      frames.push(...reader.push(STREAM.subarray(start, start + size)))
    assert.deepEqual(plain(frames), plain(FRAMES))
    assert.equal(reader.isMidFrame, false)
  })
}

test('a frame that is cut off is not taken for one', () => {
  for (let end = 1; end < STREAM.length; end++) {
    const reader = new FrameReader()
    const whole = reader.push(STREAM.subarray(0, end))
    const read = Buffer.concat(whole.flatMap(({ kind, text, parts }) => frameOctets(kind, text, parts)))
    assert.equal(reader.isMidFrame, read.length < end, `${end}`)
    assert.deepEqual(read, STREAM.subarray(0, read.length))
  }
})

const header = (mark: number, text: number, parts: number, ...lengths: readonly number[]): Buffer => {
  const octets = Buffer.alloc(12 + 4 * lengths.length)
  octets[0] = mark
  octets[1] = FRAME.calls
  octets.writeUInt32LE(text, 4)
  octets.writeUInt32LE(parts, 8)
  for (const [index, length] of lengths.entries()) octets.writeUInt32LE(length, 12 + 4 * index)
  return octets
}

for (const [what, octets] of [
  ['another protocol', Buffer.from('EHLO client.example\r\n')],
  ['a text beyond the bound', header(0xf5, MAX_FRAME_BYTES + 1, 0)],
  ['more parts than there may be', header(0xf5, 0, 65_537)],
  ['parts that are too much together', header(0xf5, 1, 2, MAX_FRAME_BYTES / 2, MAX_FRAME_BYTES / 2)],
] as const) {
  test(`${what} is a fault, and found before room is made for it`, () => {
    assert.throws(() => new FrameReader().push(octets), FrameFault)
  })
}

test('what would be too large is not sent', () => {
  assert.throws(() => frameOctets(FRAME.calls, 'x', [new ArrayBuffer(MAX_FRAME_BYTES)]), FrameFault)
  assert.ok(frameOctets(FRAME.calls, '', [new ArrayBuffer(MAX_FRAME_BYTES)]).length > 0)
})
