/**
 * A full volume (F5): senders hear 452 and nothing worse, nothing that was promised is lost, what is delivered makes room,
 * and mail is taken again. The volume is a small tmpfs, so this needs root.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { FakeRemote } from '../support/fake-remote.ts'
import { Gateway } from '../support/gateway.ts'
import { largeMessage } from '../support/message-bytes.ts'
import { RawClient } from '../support/raw-client.ts'
import { TemporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'

const ROUNDS = 60

interface Volume extends AsyncDisposable {
  readonly path: string
}

async function volume(options: string): Promise<Volume> {
  const folder = await TemporaryFolder.make()
  const path = join(folder.path, 'volume')
  mkdirSync(path)
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path])
  return {
    path,
    async [Symbol.asyncDispose]() {
      execFileSync('umount', ['-l', path])
      await folder[Symbol.asyncDispose]()
    },
  }
}

/** Whether we may mount anything. */
function whyNot(): string | false {
  if (process.getuid?.() !== 0) return 'needs root'
  try {
    execFileSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' })
    return false
  } catch {
    return 'may not mount a tmpfs'
  }
}

const skip = whyNot()

for (const [name, options, bytes] of [
  ['space', 'size=16m', 400_000],
  ['inodes', 'size=64m,nr_inodes=60', 400_000],
] as const)
  test(`no ${name} left: 452 for a while, and nothing lost`, { skip, timeout: 170_000 }, async (t) => {
    await using disk = await volume(options)
    let isOpen = false
    const sink = await FakeRemote.start(({ verb }) =>
      isOpen || verb !== 'mail' ? undefined : '451 4.3.0 not yet',
    )
    try {
      await using gateway = await Gateway.start({
        domains: { 'example.test': { deliver: sink.route } },
        queue: { retry: ['1s'] },
        store: { directory: join(disk.path, 'store'), reserveBytes: '4MiB' },
      })
      const promised: string[] = []
      const refused: string[] = []
      const offer = async (number: number): Promise<string> => {
        const subject = `number ${number} of the ${name}`
        const reply = await trySend(gateway.port, largeMessage(subject, bytes, subject))
        if (reply.startsWith('250')) promised.push(subject)
        else refused.push(reply)
        return reply
      }
      for (let number = 0; number < ROUNDS && refused.length < 5; number++) await offer(number)
      assert.ok(promised.length >= 5, `${promised.length} promised`)
      assert.ok(refused.length > 0, 'it became full')
      assert.deepEqual(
        // With little left nobody is let in any more.
        refused.filter((reply) => !/^(?:452 4\.3\.1|421 4\.3\.2) /.test(reply)),
        [],
        'no trouble of ours is worse',
      )
      isOpen = true
      const isEmpty = async (): Promise<boolean> => (await gateway.control.queueList({}, 1)).length === 0
      await until(isEmpty, 'what was promised delivered', 100_000).catch(async (error: unknown) => {
        const entries = await gateway.control.queueList({}, 3)
        throw new Error(JSON.stringify({ entries, log: gateway.logged().slice(-20) }), { cause: error })
      })
      const arrived = new Set(
        sink.accepted.map(({ content }) => /^Subject: (.*)\r$/m.exec(content.toString('latin1'))?.[1]),
      )
      assert.deepEqual(
        promised.filter((subject) => !arrived.has(subject)),
        [],
        'nothing is lost',
      )
      await until(async () => (await offer(1_000)).startsWith('250'), 'mail taken again', 40_000)
      t.diagnostic(`${promised.length} promised, ${refused.length} refused: ${refused[0]}`)
    } finally {
      await sink.stop()
    }
  })

/** The reply that decided: to the first command that was refused, or to the final dot. */
async function trySend(port: number, content: Buffer): Promise<string> {
  using client = await RawClient.connect({ port })
  const greeting = await client.reply()
  if (!greeting.startsWith('2')) return greeting
  await client.expect('250', 'EHLO client.example')
  const mail = await client.ask('MAIL FROM:<sender@client.example>')
  if (!mail.startsWith('2')) return mail
  const rcpt = await client.ask('RCPT TO:<anna@example.test>')
  if (!rcpt.startsWith('2')) return rcpt
  const data = await client.ask('DATA')
  if (!data.startsWith('3')) return data
  client.raw(content)
  return await client.ask('.')
}
