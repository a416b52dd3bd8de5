/**
 * Reload: all of it or nothing, and nobody who is talking notices. A transaction ends with the plugins it began with; a
 * plugin that fails, hangs or asks for more than it was granted leaves the last good generation in force, also for a
 * worker that is replaced later.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Gateway } from '../support/gateway.ts'
import { LedgerClient } from '../support/ledger-client.ts'
import { message } from '../support/message-bytes.ts'
import { until } from '../support/until.ts'

const CONTENT = message('reloaded')
/** Ten times what a reload takes. */
const RELOAD_MS = 20_000

/** A plugin that marks every message with a text. */
function marking(text: string, more: { readonly top?: string; readonly permissions?: string } = {}): string {
  const { top = '', permissions = '' } = more
  return `import { definePlugin } from 'postern'
${top}
export default definePlugin({
  name: 'mark',
  version: '1.0.0',
  api: 1,
  permissions: { 'headers.write': ['X-Mark'], refuse: ['reject'], ${permissions} },
  hooks: {
    rcpt({ localPart }, { log }) {
      if (localPart === 'generation') log.info('asked at rcpt', { mark: '${text}' })
    },
    data(_event, { headers }) {
      headers.add('X-Mark', '${text}')
    },
  },
})
`
}

const PLUGINS = [{ name: 'relay-control' }, { path: './mark.ts' }, { name: 'routing' }]

async function marked(text: string, more: Readonly<Record<string, unknown>> = {}): Promise<Gateway> {
  // The file is there before the start.
  const gateway = await Gateway.start({ plugins: [{ name: 'relay-control' }], limits: 'off', ...more })
  gateway.folder.write('mark.ts', marking(text))
  gateway.folder.change({ plugins: PLUGINS })
  const outcome = await gateway.control.reload()
  assert.deepEqual(outcome.problems, [])
  assert.equal(outcome.isReloaded, true)
  return gateway
}

function marksOf(gateway: Gateway): readonly string[] {
  return gateway.kept().map((mail) => /^X-Mark: (.*)\r?$/m.exec(mail.toString('latin1'))?.[1] ?? 'none')
}

test('a reload puts new plugins in force; a transaction under way keeps those it began with', async () => {
  await using gateway = await marked('one')
  using early = await gateway.greeted()
  await early.expect('250', 'MAIL FROM:<sender@client.example>')
  await early.expect('250', 'RCPT TO:<early@example.test>')
  gateway.folder.write('mark.ts', marking('two'))
  const outcome = await gateway.control.reload()
  assert.equal(outcome.isReloaded, true)
  assert.equal(outcome.generation, 3)
  await gateway.send(['late@example.test'], CONTENT)
  await until(() => marksOf(gateway).length === 1, 'the late message', RELOAD_MS)
  assert.deepEqual(marksOf(gateway), ['two'])
  await early.expect('354', 'DATA')
  early.raw('Subject: early\r\n\r\nhello\r\n.\r\n')
  await early.expect('250', null)
  await until(() => marksOf(gateway).length === 2, 'the early message', RELOAD_MS)
  assert.deepEqual(marksOf(gateway).toSorted(), ['one', 'two'])
  // The same session again: what begins now begins with what is in force now.
  await early.send('sender@client.example', ['again@example.test'], CONTENT)
  await until(() => marksOf(gateway).length === 3, 'the third message', RELOAD_MS)
  assert.deepEqual(marksOf(gateway).toSorted(), ['one', 'two', 'two'])
})

test('the plughost of a generation nobody uses any more ends', async () => {
  await using gateway = await marked('one')
  const plughosts = async (): Promise<number> => (await gateway.worker()).plughosts.length
  const running = (): number => gateway.members().filter((line) => line.includes('sandbox/host')).length
  const each = await plughosts()
  await until(() => running() === each, 'those of the first generation alone', RELOAD_MS)
  using early = await gateway.greeted()
  await early.expect('250', 'MAIL FROM:<sender@client.example>')
  for (const text of ['two', 'three']) {
    gateway.folder.write('mark.ts', marking(text))
    assert.equal((await gateway.control.reload()).isReloaded, true)
  }
  await until(
    () => running() === each + (each - 2),
    'those in force, the spare one and the one that stands by, and those of the transaction',
    RELOAD_MS,
  )
  await early.expect('250', 'RSET')
  await until(() => running() === each, 'those in force alone', RELOAD_MS)
})

test('SIGHUP reloads settings, lookup tables and listed recipients too', async () => {
  await using gateway = await Gateway.start({
    plugins: [{ name: 'relay-control' }],
  })
  gateway.folder.write('people', 'anna@example.test\n')
  gateway.folder.change({
    lookups: { people: './people' },
    plugins: [
      { name: 'relay-control' },
      { name: 'recipients', config: { table: 'people' } },
      { name: 'routing' },
    ],
  })
  const reloads = (): number => gateway.logged('reloaded').length
  process.kill(gateway.supervisorPid, 'SIGHUP')
  await until(() => reloads() === 1, 'the first reload', RELOAD_MS)
  using client = await gateway.greeted()
  await client.expect('250', 'MAIL FROM:<sender@client.example>')
  await client.expect('250', 'RCPT TO:<anna@example.test>')
  await client.expect('550', 'RCPT TO:<berta@example.test>')
  gateway.folder.write('people', 'anna@example.test\nberta@example.test\n')
  gateway.folder.change({
    hostname: 'renamed.example.test',
    domains: { 'example.test': { deliver: 'maildir:./mail' }, 'other.test': { deliver: 'maildir:./mail' } },
  })
  process.kill(gateway.supervisorPid, 'SIGHUP')
  await until(() => reloads() === 2, 'the second reload', RELOAD_MS)
  // Of the transaction under way; then of a new one.
  await client.expect('550', 'RCPT TO:<berta@example.test>')
  await client.expect('250', 'RSET')
  await client.expect('250', 'MAIL FROM:<sender@client.example>')
  await client.expect('250', 'RCPT TO:<berta@example.test>')
  await client.expect('221 2.0.0 renamed.example.test', 'QUIT')
})

test('what is wrong changes nothing, and is told with its place', async () => {
  await using gateway = await marked('good')
  const reloadedWith = async (text: string): Promise<string> => {
    gateway.folder.write('mark.ts', text)
    const { isReloaded, generation, problems } = await gateway.control.reload()
    assert.equal(isReloaded, false)
    assert.equal(generation, 2)
    return problems.map(({ code, place, message: what }) => `${code} ${place} ${what}`).join('\n')
  }
  assert.match(await reloadedWith('export default {'), /^P1005 \S*mark\.ts:1:/)
  assert.match(await reloadedWith(marking('bad', { top: "throw new Error('at load')" })), /^P1009 .*at load/)
  assert.match(await reloadedWith(marking('bad', { top: 'for (;;) {}' })), /^P1009 /)
  assert.match(
    await reloadedWith(marking('bad', { permissions: "'relay.grant': true" })),
    /^P2001 .*send mail/,
  )
  gateway.folder.write('mark.ts', marking('good'))
  gateway.folder.change({ store: { directory: './other' } })
  const { problems } = await gateway.control.reload()
  assert.deepEqual(
    problems.map(({ code, message: what }) => `${code} ${what.split(' ')[0]}`),
    ['P3030 "store"'],
  )
  gateway.folder.change({ store: { directory: './store' } })
  gateway.folder.write('postern.yaml', 'plugins: 7\n')
  assert.deepEqual(
    (await gateway.control.reload()).problems.map(({ code }) => code),
    ['P1105'],
  )
  await gateway.send(['anna@example.test'], CONTENT)
  await until(() => marksOf(gateway).length === 1, 'the message', RELOAD_MS)
  assert.deepEqual(marksOf(gateway), ['good'])
})

test('a worker that is replaced starts with the last good generation, whatever the files say', async () => {
  await using gateway = await marked('good')
  gateway.folder.write('mark.ts', 'this is no plugin')
  assert.equal((await gateway.control.reload()).isReloaded, false)
  const before = await gateway.workerPid()
  process.kill(before, 'SIGKILL')
  await until(async () => (await gateway.control.status()).workerRestarts === 1, 'a replacement', RELOAD_MS)
  await until(async () => (await gateway.control.status()).gateway !== null, 'it to answer', RELOAD_MS)
  assert.equal((await gateway.worker()).generation, 2)
  await gateway.send(['anna@example.test'], CONTENT)
  await until(() => marksOf(gateway).length === 1, 'the message', RELOAD_MS)
  assert.deepEqual(marksOf(gateway), ['good'])
})

test('fifty reloads under load: no session lost, nothing refused, the last good generation in force', async () => {
  await using gateway = await marked('0')
  using early = await gateway.greeted()
  await using client = new LedgerClient({ port: gateway.port, rate: 50, connections: 5, sizeBytes: 1_000 })
  const bad: Readonly<Record<number, string>> = {
    ...every(5, 0, marking('fails', { top: "throw new Error('at load')" })),
    ...every(10, 3, marking('hangs', { top: 'for (;;) {}' })),
    ...every(10, 7, marking('asks', { permissions: "'relay.grant': true" })),
  }
  let good = 0
  let refused = 0
  for (let number = 1; number <= 50; number++) {
    const text = bad[number] ?? marking(String(number))
    gateway.folder.write('mark.ts', text)
    const { isReloaded } = await gateway.control.reload()
    assert.equal(isReloaded, bad[number] === undefined, `reload ${number}`)
    if (isReloaded) good = number
    else refused++
  }
  await client.stop()
  assert.equal(refused, 20)
  assert.ok(client.rows.length > 50, `${client.rows.length} messages were sent meanwhile`)
  const refusals = client.rows.filter(({ reply }) => !reply.startsWith('250 '))
  // What the gateway says of it, when it does.
  const [failure] = gateway.logged('plugin-failed')
  assert.equal(JSON.stringify([refusals.length, refusals[0], failure]), '[0,null,null]')
  await early.send('sender@client.example', ['anna@example.test'], CONTENT)
  await until(() => marksOf(gateway).length === client.rows.length + 1, 'every message', RELOAD_MS)
  assert.ok(marksOf(gateway).includes(String(good)), 'the last good generation has marked the last message')
  const allowed = new Set(Array.from({ length: 51 }, (_, number) => String(number)))
  assert.deepEqual(
    marksOf(gateway).filter((mark) => !allowed.has(mark)),
    [],
  )
  assert.equal(gateway.logged('plughost-died').filter(({ plugin }) => plugin === 'mark').length, 0)
})

/** Numbers 1 to 50 that leave `rest` when divided by `step`. */
function every(step: number, rest: number, text: string): Readonly<Record<number, string>> {
  const numbers = Array.from({ length: 50 }, (_, index) => index + 1)
  return Object.fromEntries(
    numbers.filter((number) => number % step === rest).map((number) => [number, text]),
  )
}
