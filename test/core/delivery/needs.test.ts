/** What a message needs of the next server: it has it, or the mail is failed and says why. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import type { Outgoing } from '../../../core/delivery/channel.ts'
import { outcomeOf } from '../../../core/delivery/outcome.ts'
import type { StoredContent } from '../../../core/mail/message.ts'
import { remoteFor } from '../../support/fake-remote.ts'
import { at, carried, inline, open, outgoing, results } from './client-stand.ts'

const BARE = '250-remote.test\r\n250 PIPELINING'
const EIGHT_BIT = inline('Subject: x\r\n\r\nGr\xfc\xdfe\r\n')

/** A large content as a file of the spool. */
async function spooled(t: TestContext, content: Buffer): Promise<StoredContent> {
  const folder = await mkdtemp(join(tmpdir(), 'needs-'))
  t.after(() => rm(folder, { recursive: true }))
  const path = join(folder, 'spool')
  await writeFile(path, content)
  return {
    head: Buffer.from('X-Head: 1\r\n'),
    content: { kind: 'spool', path, sizeBytes: content.byteLength },
    contentOffset: 0,
  }
}

async function details(t: TestContext, ehlo: string, what: Outgoing) {
  const remote = await remoteFor(t, at('ehlo', ehlo))
  const channel = await open(t, remote.port)
  const met = await carried(channel, what)
  return { remote, channel, met: met.map(outcomeOf) }
}

describe('8-bit content (RFC 6152)', { concurrency: 8 }, () => {
  test('to a server without 8BITMIME it fails with 5.6.3, nothing of it is said, and the next mail goes', async (t) => {
    const { remote, channel, met } = await details(t, BARE, outgoing(['a@r.test', 'b@r.test'], EIGHT_BIT))
    assert.deepEqual(
      met.map(({ result, detail }) => [result, detail.slice(0, 5)]),
      [
        ['failed', '5.6.3'],
        ['failed', '5.6.3'],
      ],
    )
    assert.deepEqual(remote.commands, ['EHLO mx.postern.test'])
    assert.deepEqual(results(await carried(channel, outgoing(['a@r.test']))), ['delivered'])
  })

  test('a server that knows no EHLO takes none either', async (t) => {
    const remote = await remoteFor(t, at('ehlo', '502 5.5.1 what?'))
    const channel = await open(t, remote.port)
    const [met] = await carried(channel, outgoing(['a@r.test'], EIGHT_BIT))
    assert.match(met === undefined ? '' : outcomeOf(met).detail, /^5\.6\.3 /)
  })

  test('a header the message does not have any more does not count', async (t) => {
    const bytes = Buffer.from('Old: \xfc\r\n\r\nbody\r\n', 'latin1')
    const stored: StoredContent = {
      head: Buffer.from('New: u\r\n\r\n'),
      content: { kind: 'inline', bytes },
      contentOffset: bytes.indexOf('body'),
    }
    const { met } = await details(t, BARE, outgoing(['a@r.test'], stored))
    assert.deepEqual(
      met.map(({ result }) => result),
      ['delivered'],
    )
  })

  for (const [what, last, result] of [
    ['is read for it, to the end', '\xfc\r\n', 'failed'],
    ['goes when it has none', 'u\r\n', 'delivered'],
  ] as const)
    test(`a spooled message ${what}`, async (t) => {
      const content = Buffer.from(`Subject: x\r\n\r\n${'0123456789\r\n'.repeat(30_000)}${last}`, 'latin1')
      const { met } = await details(t, BARE, outgoing(['a@r.test'], await spooled(t, content)))
      assert.deepEqual(
        met.map((one) => one.result),
        [result],
      )
    })

  test('a file that cannot be read is our own trouble', async (t) => {
    const stored = await spooled(t, Buffer.from('A: b\r\n\r\n'))
    const gone = { ...stored, content: { kind: 'spool', path: '/nowhere/at/all', sizeBytes: 9 } } as const
    const { met } = await details(t, BARE, outgoing(['a@r.test'], gone))
    assert.deepEqual(
      met.map(({ level, result }) => [level, result]),
      [['local', 'deferred']],
    )
  })
})

describe('addresses and headers beyond US-ASCII (RFC 6531)', { concurrency: 8 }, () => {
  const UTF8 = '250-remote.test\r\n250-8BITMIME\r\n250-SIZE 0\r\n250 SMTPUTF8'
  const WITHOUT = '250-remote.test\r\n250 8BITMIME'

  test('a recipient beyond US-ASCII fails with 5.6.7 where SMTPUTF8 is not offered, the others go', async (t) => {
    const { remote, met } = await details(t, WITHOUT, outgoing(['jürgen@r.test', 'a@r.test']))
    assert.deepEqual(
      met.map(({ result, detail }) => [result, detail.slice(0, 5)]),
      [
        ['failed', '5.6.7'],
        ['delivered', '250 2'],
      ],
    )
    assert.deepEqual(remote.accepted[0]?.recipients, ['a@r.test'])
  })

  test('a sender or a header that needs it fails all of them', async (t) => {
    const sender = { ...outgoing(['a@r.test']), reversePath: 'jürgen@example.test' }
    const header = { ...outgoing(['a@r.test']), needs: ['SMTPUTF8'] } as const
    for (const what of [sender, header]) {
      const { remote, met } = await details(t, WITHOUT, what)
      assert.match(met[0]?.detail ?? '', /^5\.6\.7 /)
      assert.deepEqual(remote.commands, ['EHLO mx.postern.test'])
    }
  })

  test('where it is offered SMTPUTF8 is asked for once: for an address, for a header, for both', async (t) => {
    for (const [to, needs, sender] of [
      ['jürgen@r.test', [], 'from@example.test'],
      ['a@r.test', ['SMTPUTF8'], 'from@example.test'],
      ['jürgen@r.test', ['SMTPUTF8'], 'from@example.test'],
      ['a@r.test', ['SMTPUTF8'], '"a SMTPUTF8 b"@example.test'],
    ] as const) {
      const { remote, met } = await details(t, UTF8, { ...outgoing([to]), needs, reversePath: sender })
      assert.deepEqual(
        met.map(({ result }) => result),
        ['delivered'],
      )
      const behind = remote.commands[1]?.split('>')[1] ?? ''
      assert.equal(behind.split(' ').filter((word) => word === 'SMTPUTF8').length, 1, remote.commands[1])
    }
  })
})

describe('what the sender wants to be told (RFC 3461 §5.2.1)', { concurrency: 8 }, () => {
  const OFFERED = '250-remote.test\r\n250-PIPELINING\r\n250-SIZE 0\r\n250 DSN'
  const dsn: NonNullable<Outgoing['dsn']> = {
    envelope: { ret: 'HDRS', envid: 'QQ+1 x' },
    recipients: new Map([
      ['a@r.test', { notify: ['SUCCESS', 'DELAY'], orcpt: { type: 'rfc822', address: 'old@r.test' } }],
      ['b@r.test', { notify: [], orcpt: null }],
      ['c@r.test', { notify: null, orcpt: { type: 'utf-8', address: 'jürgen@r.test' } }],
    ]),
  }
  const message = { ...outgoing(['a@r.test', 'b@r.test', 'c@r.test']), dsn }
  const said = (commands: readonly string[]): readonly string[] =>
    commands.filter((command) => /^(?:MAIL|RCPT)/.test(command))

  for (const pipelining of [true, false])
    test(`is passed on where DSN is offered${pipelining ? '' : ', without PIPELINING too'}`, async (t) => {
      const ehlo = pipelining ? OFFERED : OFFERED.replace('250-PIPELINING\r\n', '')
      const { remote, met } = await details(t, ehlo, message)
      assert.deepEqual(
        met.map(({ result }) => result),
        ['delivered', 'delivered', 'delivered'],
      )
      assert.deepEqual(said(remote.commands), [
        'MAIL FROM:<from@example.test> SIZE=21 RET=HDRS ENVID=QQ+2B1+20x',
        'RCPT TO:<a@r.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;old@r.test',
        'RCPT TO:<b@r.test> NOTIFY=NEVER',
        'RCPT TO:<c@r.test> ORCPT=utf-8;j\\x{FC}rgen@r.test',
      ])
    })

  test('stays here where DSN is not offered', async (t) => {
    const { remote } = await details(t, '250-remote.test\r\n250 SIZE 0', message)
    assert.deepEqual(said(remote.commands), [
      'MAIL FROM:<from@example.test> SIZE=21',
      'RCPT TO:<a@r.test>',
      'RCPT TO:<b@r.test>',
      'RCPT TO:<c@r.test>',
    ])
  })

  test('of one message nothing is said with the next', async (t) => {
    const { remote, channel } = await details(t, OFFERED, message)
    await carried(channel, outgoing(['a@r.test']))
    assert.deepEqual(said(remote.commands).slice(4), [
      'MAIL FROM:<from@example.test> SIZE=21',
      'RCPT TO:<a@r.test>',
    ])
  })
})
