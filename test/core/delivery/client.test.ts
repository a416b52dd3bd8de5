import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { type Met, outcomeOf } from '../../../core/delivery/outcome.ts'
import { openAddress } from '../../../core/delivery/session-opener.ts'
import type { StoredContent } from '../../../core/mail/message.ts'
import { remoteFor } from '../../support/fake-remote.ts'
import { at, carried, inline, open, opened, outgoing, results, sessionOptions } from './client-stand.ts'
import { until } from './until.ts'

// Most of the time is spent waiting.
describe('the client', { concurrency: 8 }, () => {
  test('it says our name, the envelope with size, and the body byte for byte', async (t) => {
    const remote = await remoteFor(t)
    const channel = await open(t, remote.port)
    const body = '.\r\n..two\r\n.dot first\r\nplain . dot\r\n\r\n.\r\nlast\r\n'
    const met = await carried(
      channel,
      outgoing(['a@remote.test'], inline(`Subject: dots\r\n\r\n${body}`, 'X-Head: 1\r\n')),
    )
    assert.deepEqual(results(met), ['delivered'])
    const expected = `X-Head: 1\r\nSubject: dots\r\n\r\n${body}`
    assert.equal(remote.messages[0]?.content.toString('latin1'), expected)
    assert.equal(remote.messages[0]?.wire.toString('latin1'), expected.replaceAll('\r\n.', '\r\n..'))
    assert.equal(remote.commands[0], 'EHLO mx.postern.test')
    assert.equal(remote.commands[2], 'RCPT TO:<a@remote.test>')
    assert.equal(remote.commands[3], 'DATA')
  })

  test('a body with every octet but NUL arrives as it was, and only then 8BITMIME is declared', async (t) => {
    // Without NUL, and the CR and LF that are line ends.
    const octets = Buffer.from(
      Array.from({ length: 256 }, (_, i) => i).filter((i) => ![0, 10, 13].includes(i)),
    )
    const body = Buffer.concat([Buffer.from('Subject: b\r\n\r\n'), octets, Buffer.from('\r\n')])
    const remote = await remoteFor(t, at('ehlo', '250-remote.test\r\n250-8BITMIME\r\n250 SIZE 0'))
    const channel = await open(t, remote.port)
    await carried(channel, outgoing(['a@remote.test'], inline(body)))
    await carried(channel, outgoing(['a@remote.test']))
    assert.deepEqual(remote.messages[0]?.content, body)
    const mails = remote.commands.filter((command) => command.startsWith('MAIL'))
    assert.deepEqual(mails, [
      `MAIL FROM:<from@example.test> BODY=8BITMIME SIZE=${body.length}`,
      'MAIL FROM:<from@example.test> SIZE=21',
    ])
  })

  test('the null reverse-path is said as <>', async (t) => {
    const remote = await remoteFor(t)
    const channel = await open(t, remote.port)
    await carried(channel, { ...outgoing(['a@remote.test']), reversePath: '' })
    assert.match(remote.commands[1] ?? '', /^MAIL FROM:<>/)
  })

  test('a spooled body follows the head from its offset', async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'client-'))
    t.after(() => rm(directory, { recursive: true }))
    const path = join(directory, 'spool')
    const line = `${'z'.repeat(70)}\r\n.${'y'.repeat(70)}\r\n`
    const body = line.repeat(5_000)
    await writeFile(path, `Old: head\r\n\r\n${body}`)
    const sizeBytes = 13 + body.length
    const remote = await remoteFor(t)
    const channel = await open(t, remote.port)
    const stored: StoredContent = {
      head: Buffer.from('New: head\r\n\r\n'),
      content: { kind: 'spool', path, sizeBytes },
      contentOffset: 13,
    }
    assert.deepEqual(results(await carried(channel, outgoing(['a@remote.test'], stored))), ['delivered'])
    assert.equal(remote.messages[0]?.content.toString('latin1'), `New: head\r\n\r\n${body}`)
  })

  for (const [what, size] of [
    ['is missing', null],
    ['is shorter than it should be', 300_000],
  ] as const) {
    test(`a spool file that ${what} is our own trouble, and no part of it counts as a message`, async (t) => {
      const directory = await mkdtemp(join(tmpdir(), 'client-'))
      t.after(() => rm(directory, { recursive: true }))
      const path = join(directory, 'spool')
      if (size !== null) await writeFile(path, 'x'.repeat(size))
      const remote = await remoteFor(t)
      const channel = await open(t, remote.port)
      const stored: StoredContent = {
        head: Buffer.from('A: b\r\n\r\n'),
        content: { kind: 'spool', path, sizeBytes: 400_000 },
        contentOffset: 0,
      }
      const [met] = await carried(channel, outgoing(['a@remote.test'], stored))
      assert.equal(met?.kind, 'local')
      assert.equal(channel.isUsable, false, 'a transaction broken off in the middle must end its connection')
      await wait(50)
      assert.equal(remote.messages.length, 0)
    })
  }

  test('each recipient gets its own reply; the others are sent', async (t) => {
    const remote = await remoteFor(t, ({ verb, argument }) => {
      if (verb !== 'rcpt') return undefined
      if (argument.startsWith('busy')) return '450 4.2.1 busy'
      if (argument.startsWith('gone')) return '550 5.1.1 gone'
      return undefined
    })
    const channel = await open(t, remote.port)
    const met = await carried(channel, outgoing(['busy@r.test', 'ok@r.test', 'gone@r.test', 'fine@r.test']))
    assert.deepEqual(results(met), ['deferred', 'delivered', 'failed', 'delivered'])
    assert.deepEqual(remote.messages[0]?.recipients, ['ok@r.test', 'fine@r.test'])
    assert.equal(channel.isUsable, true)
  })

  for (const pipelining of [true, false]) {
    const ehlo = pipelining ? undefined : '250 remote.test'
    const how = pipelining ? 'with PIPELINING' : 'without PIPELINING'
    for (const [verb, reply, result] of [
      ['mail', '550 5.7.1 not from you', 'failed'],
      ['mail', '451 4.3.0 later', 'deferred'],
      ['rcpt', '550 5.1.1 nobody', 'failed'],
      ['rcpt', '450 4.2.0 greylisted', 'deferred'],
      ['data', '554 5.5.0 no', 'failed'],
      ['data', '451 4.3.0 later', 'deferred'],
      ['dot', '554 5.7.1 spam', 'failed'],
      ['dot', '451 4.3.0 later', 'deferred'],
    ] as const) {
      test(`${how}, ${reply} to ${verb} is ${result}, and the connection serves the next message`, async (t) => {
        const remote = await remoteFor(t, (said) => {
          if (said.verb === 'ehlo') return ehlo
          return said.verb === verb && said.transaction === 1 ? reply : undefined
        })
        const channel = await open(t, remote.port)
        const [met] = await carried(channel, outgoing(['a@remote.test']))
        assert.equal(met && outcomeOf(met).result, result)
        assert.match((met && outcomeOf(met).detail) ?? '', new RegExp(`^${reply}`))
        const second = await carried(channel, outgoing(['b@remote.test']))
        assert.deepEqual(results(second), ['delivered'])
        assert.equal(remote.connections, 1)
        assert.deepEqual(remote.accepted[0]?.recipients, ['b@remote.test'])
      })
    }
  }

  for (const verb of ['mail', 'rcpt', 'data', 'dot'] as const) {
    test(`421 to ${verb} defers and ends the connection`, async (t) => {
      const remote = await remoteFor(t, at(verb, { reply: '421 4.3.2 going down', after: 'stall' }))
      const channel = await open(t, remote.port)
      const met = await carried(channel, outgoing(['a@remote.test', 'b@remote.test']))
      assert.deepEqual(results(met), ['deferred', 'deferred'])
      assert.match(met[0] ? outcomeOf(met[0]).detail : '', /^421 4\.3\.2 going down/)
      assert.equal(channel.isUsable, false)
      // The client does not wait for the remote to close.
      await until(() => remote.open === 0)
    })
  }

  for (const [verb, reply] of [
    ['connect', '421 4.3.2 busy'],
    ['connect', '554 5.7.1 listed'],
    ['ehlo', '421 4.3.2 busy'],
    ['ehlo', '550 not you'],
  ] as const) {
    test(`${reply} at ${verb} is the host's trouble, not the message's`, async (t) => {
      const remote = await remoteFor(t, (said) =>
        said.verb === verb || said.verb === 'helo' ? reply : undefined,
      )
      const opening = await opened(remote.port)
      assert.ok(!opening.ok)
      const outcome = outcomeOf(opening.met)
      assert.deepEqual([outcome.level, outcome.result], ['host', 'deferred'])
      assert.ok(outcome.detail.startsWith(reply), outcome.detail)
    })
  }

  test('a server that only knows HELO is spoken to with HELO', async (t) => {
    const remote = await remoteFor(t, at('ehlo', '502 5.5.1 unknown'))
    const channel = await open(t, remote.port)
    assert.deepEqual(results(await carried(channel, outgoing(['a@remote.test']))), ['delivered'])
  })

  test('a refused connection is trouble of the host', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as { port: number }
    await new Promise((resolve) => server.close(resolve))
    const opening = await opened(port)
    assert.ok(!opening.ok)
    assert.deepEqual([opening.met.kind, outcomeOf(opening.met).level], ['trouble', 'host'])
    assert.match(outcomeOf(opening.met).detail, /ECONNREFUSED/)
  })

  /** Long enough for a busy machine, short enough to wait for. */
  const IMPATIENT_MS = 1_500

  for (const verb of ['connect', 'ehlo'] as const) {
    test(`a remote silent at ${verb} is given up when the time is over`, async (t) => {
      const remote = await remoteFor(t, at(verb, { after: 'stall' }))
      const startedAt = performance.now()
      const opening = await opened(remote.port, {
        greetingMs: IMPATIENT_MS,
        commandMs: 0,
      })
      assert.ok(!opening.ok)
      assert.equal(opening.met.kind, 'trouble')
      assert.ok(performance.now() - startedAt < 15_000)
      await until(() => remote.open === 0)
    })
  }

  for (const verb of ['mail', 'rcpt', 'data', 'dot'] as const) {
    test(`a remote that goes silent at ${verb} is given up, deferred, and the socket is gone`, async (t) => {
      const remote = await remoteFor(t, at(verb, { after: 'stall' }))
      const channel = await open(t, remote.port, { [`${verb}Ms`]: IMPATIENT_MS })
      const startedAt = performance.now()
      const met = await carried(channel, outgoing(['a@remote.test']))
      assert.deepEqual(results(met), ['deferred'])
      assert.ok(met[0]?.kind === 'trouble' && met[0].phase === verb, JSON.stringify(met))
      assert.match(met[0].text, /^no reply within 1\.5 s/)
      assert.ok(performance.now() - startedAt < 15_000)
      assert.equal(channel.isUsable, false)
      await until(() => remote.open === 0)
    })
  }

  test('a remote that stops reading in the middle of a message is given up', async (t) => {
    const remote = await remoteFor(t, at('data', { reply: '354 go on', after: 'deaf' }))
    const channel = await open(t, remote.port, { blockMs: 2 * IMPATIENT_MS })
    // More than fits into the buffers of both sockets.
    const big = inline(Buffer.alloc(32 * 1024 * 1024, '0123456789abcdef\r\n'))
    const startedAt = performance.now()
    const [met] = await carried(channel, outgoing(['a@remote.test'], big))
    assert.ok(met?.kind === 'trouble' && met.phase === 'dot', JSON.stringify(met))
    assert.ok(performance.now() - startedAt < 15_000)
    assert.equal(channel.isUsable, false)
  })

  test('a remote that trickles is given up when the transaction has lasted too long', async (t) => {
    const server = createServer((socket) => t.after(trickle(socket))).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    t.after(() => server.close())
    const { port } = server.address() as { port: number }
    const channel = await open(t, port, { mailMs: 10_000, transactionMs: 3_500 })
    const startedAt = performance.now()
    const met = await carried(channel, outgoing(['a@remote.test']))
    const lastedMs = performance.now() - startedAt
    assert.deepEqual(results(met), ['deferred'])
    assert.ok(lastedMs > 3_000, `given up after ${lastedMs} ms although octets came`)
    assert.ok(lastedMs < 15_000)
  })

  for (const after of ['drop', 'reset'] as const) {
    test(`a ${after} after the final dot is a deferral: nobody knows`, async (t) => {
      const remote = await remoteFor(t, at('dot', { after }))
      const channel = await open(t, remote.port)
      const met = await carried(channel, outgoing(['a@remote.test', 'b@remote.test']))
      assert.deepEqual(results(met), ['deferred', 'deferred'])
      assert.deepEqual(
        met.map((what) => what.kind === 'trouble' && what.phase),
        ['dot', 'dot'],
      )
      assert.equal(channel.isUsable, false)
    })
  }

  test('recipients refused before a drop keep their refusal', async (t) => {
    const remote = await remoteFor(t, ({ verb, argument }) => {
      if (verb === 'rcpt' && argument.startsWith('gone')) return '550 5.1.1 gone'
      return verb === 'dot' ? { after: 'drop' } : undefined
    })
    const channel = await open(t, remote.port)
    const met = await carried(channel, outgoing(['gone@r.test', 'a@r.test']))
    assert.deepEqual(results(met), ['failed', 'deferred'])
  })

  for (const [name, reaction] of [
    ['closed without a word', { after: 'drop' }],
    ['answered 421', { reply: '421 4.4.2 idle too long', after: 'drop' }],
  ] as const) {
    test(`a kept connection ${name} at the next MAIL says that nothing was begun`, async (t) => {
      const remote = await remoteFor(t, (said) =>
        said.verb === 'mail' && said.transaction === 2 ? reaction : undefined,
      )
      const channel = await open(t, remote.port)
      assert.deepEqual(results(await carried(channel, outgoing(['a@remote.test']))), ['delivered'])
      assert.equal(await channel.carry(outgoing(['b@remote.test'])), null)
      assert.equal(channel.isUsable, false)
      assert.equal(remote.messages.length, 1)
    })
  }

  test('a message above the announced SIZE is not sent and is refused with the limit', async (t) => {
    const remote = await remoteFor(t, at('ehlo', '250-remote.test\r\n250 SIZE 10'))
    const channel = await open(t, remote.port)
    const met = await carried(channel, outgoing(['a@remote.test']))
    assert.deepEqual(results(met), ['failed'])
    assert.match(outcomeOf(met[0] as Met).detail, /10/)
    assert.ok(!remote.commands.some((command) => command.startsWith('MAIL')))
  })

  test('an address nobody can write between brackets does not keep the others from being sent', async (t) => {
    const remote = await remoteFor(t)
    const channel = await open(t, remote.port)
    const met = await carried(channel, outgoing(['"a>b"@remote.test', 'ok@remote.test']))
    assert.deepEqual(results(met), ['failed', 'delivered'])
    assert.deepEqual(remote.messages[0]?.recipients, ['ok@remote.test'])
  })

  test('abort breaks off a message being carried', async (t) => {
    const remote = await remoteFor(t, at('dot', { after: 'stall' }))
    const channel = await open(t, remote.port)
    const carrying = carried(channel, outgoing(['a@remote.test']))
    await wait(100)
    channel.abort('enough')
    assert.deepEqual(results(await carrying), ['deferred'])
    await until(() => remote.open === 0)
  })

  test('opening ends when its signal is aborted', async (t) => {
    const remote = await remoteFor(t, at('connect', { after: 'stall' }))
    const signal = AbortSignal.timeout(100)
    const opening = await openAddress({ host: '127.0.0.1', port: remote.port }, sessionOptions(), signal)
    assert.equal(opening.ok, false)
  })

  test('quit says goodbye and leaves no socket behind, even if the remote does not answer', async (t) => {
    const remote = await remoteFor(t, at('quit', { after: 'stall' }))
    const channel = await open(t, remote.port)
    channel.quit()
    await until(() => remote.commands.includes('QUIT'))
    await until(() => remote.open === 0)
  })
})

/** Answers like a friendly server up to DATA, then sends one octet of a continuation line every 100 ms. */
function trickle(socket: Socket): () => void {
  let timer: NodeJS.Timeout | null = null
  socket.on('error', () => {})
  socket.write('220 slow.test\r\n')
  socket.on('data', (chunk) => {
    const text = chunk.toString('latin1')
    if (/^EHLO/m.test(text)) socket.write('250 slow.test\r\n')
    if (/^MAIL|^RCPT/m.test(text)) socket.write('250 ok\r\n')
    if (/^DATA/m.test(text)) socket.write('354 go\r\n')
    if (text.includes('\r\n.\r\n')) {
      socket.write('250-')
      timer = setInterval(() => socket.write('x'), 100)
    }
  })
  return () => {
    if (timer !== null) clearInterval(timer)
    socket.destroy()
  }
}
