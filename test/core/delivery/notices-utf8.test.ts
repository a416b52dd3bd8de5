/** Notices to and about addresses beyond US-ASCII, and what the next server tells the sender itself. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { DsnRecipient } from '../../../core/mail/dsn-parameters.ts'
import { type FakeRemote, remoteFor, type Script } from '../../support/fake-remote.ts'
import { type Stand, standFor } from './delivery-stand.ts'
import { until } from './until.ts'

const EXTENSIONS = '250-remote.test\r\n250-8BITMIME\r\n250'
const offering =
  (extension: string, replies: Readonly<Record<string, string>> = {}): Script =>
  ({ verb, argument }) =>
    verb === 'ehlo' ? `${EXTENSIONS} ${extension}` : verb === 'rcpt' ? replies[argument] : undefined

interface Setting {
  readonly remote: FakeRemote
  readonly home: FakeRemote
  readonly stand: Stand
}

async function setting(t: TestContext, there: Script, here: Script): Promise<Setting> {
  const remote = await remoteFor(t, there)
  const home = await remoteFor(t, here)
  const routeNotice = ({ to }: { readonly to: string }) =>
    Promise.resolve({
      recipients: [{ address: to, route: home.route, hold: null }],
      tags: [],
      lifeSeconds: null,
    })
  return { remote, home, stand: await standFor(t, { routeNotice }) }
}

function send({ stand, remote }: Setting, address: string, reversePath: string, dsn: DsnRecipient) {
  const recipients = [{ address, route: remote.route, hold: null, dsn }]
  return stand.addChanged(remote.route, [], { recipients, reversePath })
}

const UNSAID: DsnRecipient = { notify: null, orcpt: null }
const latin1 = (text: string): string => Buffer.from(text).toString('latin1')

describe('notices beyond US-ASCII (RFC 6533)', { concurrency: 4 }, () => {
  test('a sender beyond US-ASCII is told, by SMTPUTF8', async (t) => {
    const gone = { [latin1('jürgen@r.test')]: '550 5.1.1 gone' }
    const place = await setting(t, offering('SMTPUTF8', gone), offering('SMTPUTF8'))
    await send(place, 'jürgen@r.test', 'älice@h.test', UNSAID)
    await place.home.hasAccepted(1)
    const [notice] = place.home.accepted
    assert.deepEqual(notice?.recipients, [latin1('älice@h.test')])
    assert.ok(place.home.commands.some((command) => /^MAIL FROM:<> .*SMTPUTF8/.test(command)))
    const text = notice?.content.toString('utf8') ?? ''
    assert.match(text, /^To: <älice@h\.test>\r$/m)
    assert.match(text, /^Final-Recipient: utf-8; jürgen@r\.test\r$/m)
  })

  test('a sender in US-ASCII is told of one beyond it by any server', async (t) => {
    const place = await setting(t, offering('SIZE 0'), () => '250 home.test')
    const home = await remoteFor(t, ({ verb }) => (verb === 'ehlo' ? '250 home.test' : undefined))
    const stand = await standFor(t, {
      routeNotice: ({ to }) =>
        Promise.resolve({
          recipients: [{ address: to, route: home.route, hold: null }],
          tags: [],
          lifeSeconds: null,
        }),
    })
    await send({ ...place, stand }, 'jürgen@r.test', 'alice@h.test', UNSAID)
    await home.hasAccepted(1)
    const text = home.accepted[0]?.content.toString('latin1') ?? ''
    assert.doesNotMatch(text, /[\x80-\xff]/)
    assert.match(
      text,
      /^Final-Recipient: utf-8; j\\x\{FC\}rgen@r\.test\r\nAction: failed\r\nStatus: 5\.6\.7\r$/m,
    )
  })
})

describe('a notice of success that was asked for', { concurrency: 2 }, () => {
  const ASKED: DsnRecipient = { notify: ['SUCCESS'], orcpt: null }

  test('is left to a server that offers DSN (RFC 3461 §5.2.1)', async (t) => {
    const place = await setting(t, offering('DSN'), offering('SIZE 0'))
    await send(place, 'a@r.test', 'alice@h.test', ASKED)
    await place.remote.hasAccepted(1)
    await place.stand.settled()
    assert.ok(place.remote.commands.includes('RCPT TO:<a@r.test> NOTIFY=SUCCESS'))
    assert.equal(place.home.messages.length, 0)
  })

  test('says `relayed` where it does not (§5.2.2)', async (t) => {
    const place = await setting(t, offering('SIZE 0'), offering('DSN'))
    await send(place, 'a@r.test', 'alice@h.test', ASKED)
    await place.home.hasAccepted(1)
    assert.match(place.home.accepted[0]?.content.toString('latin1') ?? '', /^Action: relayed\r$/m)
    await until(() =>
      place.home.commands.some((command) => command === 'RCPT TO:<alice@h.test> NOTIFY=NEVER'),
    )
  })
})
