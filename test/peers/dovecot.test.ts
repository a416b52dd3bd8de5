/** Dovecot as the mailbox server behind us: LMTP with its own reply for each recipient. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Dovecot } from '../support/dovecot.ts'
import { Gateway } from '../support/gateway.ts'
import { addedFields, asOnWire, largeMessage, message } from '../support/message-bytes.ts'
import { needing } from '../support/peer-programs.ts'
import { until } from '../support/until.ts'

const program = needing('dovecot')
const DOMAINS = ['tcp.example', 'local.example'] as const
const names = (domain: string, ...users: readonly string[]): string[] =>
  users.map((user) => `${user}@${domain}`)

let dovecot: Dovecot
let gateway: Gateway
before(async () => {
  if (program.skip !== false) return
  dovecot = await Dovecot.start(DOMAINS.flatMap((domain) => names(domain, 'anna', 'bob')))
  gateway = await Gateway.start({
    domains: {
      'tcp.example': { deliver: dovecot.route },
      'local.example': { deliver: dovecot.localRoute },
    },
  })
})
after(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await dovecot?.[Symbol.asyncDispose]()
})

for (const domain of DOMAINS) {
  for (const [what, content] of [
    ['a mail', message(`to ${domain}`)],
    ['a large mail', largeMessage(`large, to ${domain}`, 300_000, domain)],
  ] as const)
    test(
      `${what} to two users and an unknown one at ${domain}: two have it, one is refused alone`,
      program,
      async () => {
        const known = names(domain, 'anna', 'bob')
        const isSame = (kept: Buffer): boolean => asOnWire(kept).includes(content)
        // From nobody: who is refused goes to hold.
        assert.match(await gateway.send([...known, `carl@${domain}`], content, ''), /^250 /)
        await until(() => known.every((user) => dovecot.kept(user).some(isSame)), 'both mails')
        for (const user of known) {
          const [kept, ...more] = dovecot.kept(user).filter(isSame)
          assert.deepEqual(more, [])
          const added = addedFields(asOnWire(kept ?? Buffer.of()), content)
          assert.deepEqual([...new Set(added)].toSorted(), ['Received', 'Return-Path'])
        }
        const refused = async () =>
          (await gateway.control.queueList({}, 10)).filter(({ state }) => state === 'held')
        await until(async () => (await refused()).length > 0, 'the refusal')
        const [entry, ...others] = await refused()
        assert.deepEqual([entry?.address, others], [`carl@${domain}`, []])
        assert.match(entry?.detail ?? '', /^550 5\.1\.1 .*carl.*\(in reply to RCPT\)$/)
        assert.equal(await gateway.control.queueDrop({}), 1)
      },
    )
}
