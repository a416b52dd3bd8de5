/** F10: a connection lost behind the final dot: the mail is sent again, never bounced, and only such mail comes twice. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { standFor } from '../../core/delivery/delivery-stand.ts'
import { remoteFor } from '../../support/fake-remote.ts'
import { Books } from '../books.ts'

const MAILS = 60

for (const after of ['drop', 'reset'] as const)
  test(`F10: ${after} behind every third final dot`, { timeout: 90_000 }, async (t) => {
    let dots = 0
    let drops = 0
    const remote = await remoteFor(t, ({ verb }) => {
      if (verb !== 'dot' || ++dots % 3 !== 0) return undefined
      drops += 1
      return { after }
    })
    const stand = await standFor(t, { retryMs: [200], site: { restsMs: [200] } })
    const books = new Books(stand)
    await books.send(remote.route, MAILS)
    await stand.settled(60_000)
    assert.deepEqual(await stand.entries(), [], 'nothing is held or bounced')
    books.assertAllOnce([remote])
    assert.ok(drops > MAILS / 4, `${drops} drops`)
    assert.equal(remote.messages.length, MAILS + drops, 'sent again as often as it was dropped')
  })
