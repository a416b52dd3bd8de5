/** What costs a client little must not cost the server much: its memory, or the time of everybody else. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { test } from 'node:test'
import { TestServer } from '../../core/smtp/test-server.ts'

const MIB = 1024 * 1024
/** RSS of this process, which is client and server in one. */
const MOST_RSS_BYTES = 160 * MIB
const MOST_LATE_MS = 1_000

interface Flood {
  readonly what: string
  /** Sent after DATA, in a transaction; else after EHLO. */
  readonly isContent: boolean
  /** One piece and how often it is sent. */
  readonly piece: string
  readonly times: number
  readonly end: string
  /** What is heard at the end. */
  readonly heard: RegExp
}

const FLOODS: readonly Flood[] = [
  {
    what: 'a command of 64 MiB',
    isContent: false,
    piece: 'x'.repeat(MIB),
    times: 64,
    end: '\r\n',
    heard: /^500 5\.5\.6 /m,
  },
  {
    what: 'a hundred thousand commands that carry no mail',
    isContent: false,
    piece: 'NOOP\r\n'.repeat(1_000),
    times: 100,
    end: '',
    heard: /^421 4\.7\.0 Too many errors/m,
  },
  {
    what: 'a line of the message of 64 MiB',
    isContent: true,
    piece: 'x'.repeat(MIB),
    times: 64,
    end: '\r\n.\r\n',
    heard: /^552 5\.3\.4 /m,
  },
  {
    what: 'a hundred thousand header fields',
    isContent: true,
    piece: 'X-A: b\r\n'.repeat(1_000),
    times: 100,
    end: '\r\nbody\r\n.\r\n',
    heard: /^552 5\.3\.4 Message header longer/m,
  },
  {
    what: 'a hundred thousand pieces of one parameter',
    isContent: true,
    piece: ` f*1*=a;${'\r\n b*2*=c;'.repeat(999)}\r\n`,
    times: 100,
    end: '\r\nbody\r\n.\r\n',
    heard: /^552 5\.3\.4 Message header longer/m,
  },
  {
    what: 'a million commas in one field',
    isContent: true,
    piece: ` ${','.repeat(998)}\r\n`,
    times: 1_000,
    end: '\r\nbody\r\n.\r\n',
    heard: /^552 5\.3\.4 Message header longer/m,
  },
  {
    what: 'a header as long as one may be, of commas',
    isContent: true,
    piece: ` ${','.repeat(998)}\r\n`,
    times: 260,
    end: '\r\nbody\r\n.\r\n',
    heard: /^250 2\.0\.0 /m,
  },
  {
    what: 'ten thousand multiparts inside one another',
    isContent: true,
    piece: 'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n'.repeat(100),
    times: 100,
    end: '\r\n.\r\n',
    heard: /^250 2\.0\.0 /m,
  },
  {
    what: 'half a million lines, half of them a doubled dot',
    isContent: true,
    piece: '\r\n\r\n..'.repeat(500),
    times: 500,
    end: '\r\n.\r\n',
    heard: /^250 2\.0\.0 /m,
  },
]

/** Sends it as fast as it is read, and gives back what was heard. */
async function flooded(port: number, { isContent, piece, times, end }: Flood): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' }).setEncoding('latin1')
  let heard = ''
  let isOver = false
  socket.on('data', (text: string) => {
    heard += text.length > 10_000 ? text.slice(-10_000) : text
    heard = heard.slice(-20_000)
  })
  socket.on('error', () => {})
  socket.once('close', () => {
    isOver = true
  })
  await once(socket, 'data')
  socket.write('EHLO client.example\r\n')
  if (isContent) {
    socket.write('MAIL FROM:<a@client.example>\r\nRCPT TO:<user@example.test>\r\nDATA\r\n')
    while (!heard.includes('354 ')) await once(socket, 'data')
    socket.write('Subject: x\r\nX-Long:')
  }
  for (let i = 0; i < times && !isOver; i++)
    if (!socket.write(piece, 'latin1'))
      await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => {})
  if (!isOver) socket.end(`${end}QUIT\r\n`, 'latin1')
  if (!isOver) await once(socket, 'close')
  return heard
}

for (const flood of FLOODS) {
  test(`${flood.what}: answered, in little memory, while others are served`, async (t) => {
    const server = await TestServer.start({ limits: { messageBytes: 4_000_000 } })
    t.after(() => server.stop())
    const other = await server.greeted()
    const before = process.memoryUsage.rss()
    let most = before
    const delay = monitorEventLoopDelay({ resolution: 10 })
    delay.enable()
    let isOver = false
    const watched = (async () => {
      let slowestMs = 0
      while (!isOver) {
        const askedAt = performance.now()
        assert.match(await other.ask('NOOP'), /^(?:250|421) /)
        slowestMs = Math.max(slowestMs, performance.now() - askedAt)
        most = Math.max(most, process.memoryUsage.rss())
        await new Promise((resolve) => setTimeout(resolve, 50))
        if (slowestMs > 10_000) break
      }
      return slowestMs
    })()
    const heard = await flooded(server.port, flood)
    isOver = true
    const slowestMs = await watched
    delay.disable()
    assert.match(heard, flood.heard)
    assert.ok(slowestMs < MOST_LATE_MS, `another session waited ${slowestMs} ms`)
    assert.ok(delay.max / 1e6 < MOST_LATE_MS, `the loop was late by ${delay.max / 1e6} ms`)
    assert.ok(most - before < MOST_RSS_BYTES, `${(most - before) / MIB} MiB more`)
  })
}
