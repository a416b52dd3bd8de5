/** The tool `message`: what a plugin learns of a message's inside, and what it is refused. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createTestHost, type TestHost } from 'postern/testing'
import type { MessageContents } from '../../core/content/pool.ts'
import { ContentFault } from '../../core/content/pool.ts'
import type { MessageReader } from '../../core/mail/hook-events.ts'
import { type Caller, EffectRefused } from '../../sandbox/broker/effect.ts'
import { messageEffects } from '../../sandbox/broker/message.ts'
import { effectivePermissions } from '../../sandbox/permissions.ts'
import { attached, PROGRAM } from '../core/content/message-stand.ts'
import { makeZip } from '../core/content/zip-maker.ts'
import { TemporaryFolder } from '../support/temporary-folder.ts'

const MESSAGE = attached(makeZip([{ name: 'docs/evil.exe', content: PROGRAM }]), 'invoice.zip').toString(
  'latin1',
)

/** A host for a plugin with these permissions that does this at `data`. */
async function hosting(permissions: string, body: string): Promise<TestHost & AsyncDisposable> {
  const folder = await TemporaryFolder.make()
  const file = join(folder.path, 'looks.ts')
  writeFileSync(
    file,
    `import { definePlugin, pass, reject } from 'postern'
    export default definePlugin({ name: 'looks', version: '1.0.0', api: 1, permissions: ${permissions},
      hooks: { async data(event, { message }) { ${body} }, async mail(event, { message }) { ${body} } } })`,
  )
  const host = await createTestHost({ file })
  const dispose = async (): Promise<void> => {
    await host.close()
    await folder[Symbol.asyncDispose]()
  }
  return Object.assign(host, { [Symbol.asyncDispose]: dispose })
}

test('a program in an archive is found and named', async () => {
  await using host = await hosting(
    "{ 'message.parts': true, refuse: ['reject'] }",
    `for (const { path, entries } of (await message.parts()).parts)
       for (const { name, detected } of entries)
         if (detected === 'pe')
           return reject('5.7.1', 'Executable inside archive', { code: 'ATT_EXECUTABLE', facts: { path, file: name } })`,
  )
  const { refusal, fault } = await host.data(MESSAGE)
  assert.equal(fault, null)
  assert.equal(refusal?.code, 'ATT_EXECUTABLE')
  assert.deepEqual(refusal?.facts, { path: '1', file: 'docs/evil.exe' })
  assert.equal((await host.data('Subject: x\r\n\r\nhello\r\n')).refusal, null)
})

test('what a plugin gets cannot be changed, and is data of its own', async () => {
  await using host = await hosting(
    "{ 'message.parts': true }",
    `const { parts } = await message.parts()
     const tries = [() => { 'use strict'; parts.push(1) }, () => { 'use strict'; parts[0].path = '2' }]
     const failed = tries.filter((attempt) => { try { attempt(); return false } catch { return true } })
     return pass(String(failed.length))`,
  )
  assert.equal((await host.data(MESSAGE)).note?.text, '2')
})

test('the hash is that of the whole message as received', async () => {
  await using host = await hosting("{ 'message.parts': true }", 'return pass(await message.hash())')
  const expected = createHash('sha256').update(Buffer.from(MESSAGE, 'latin1')).digest('hex')
  assert.equal((await host.data(MESSAGE)).note?.text, expected)
})

test('literals are found in the decoded text', async () => {
  await using host = await hosting(
    "{ 'body.read': true }",
    "return pass(JSON.stringify(await message.search(['GIFT CARD', 'nothing'], { ignoreCase: true })))",
  )
  const text = `Content-Transfer-Encoding: base64\r\n\r\n${Buffer.from('a gift card for you').toString('base64')}\r\n`
  assert.equal((await host.data(text)).note?.text, '[{"literal":"GIFT CARD","part":"1"}]')
})

test('without the permission, and where there is no message, it is refused', async () => {
  await using nothing = await hosting('{}', 'await message.parts()')
  assert.match((await nothing.data(MESSAGE)).fault?.message ?? '', /needs the permission "message\.parts"/)
  await using parts = await hosting("{ 'message.parts': true }", "await message.search(['x'])")
  assert.match((await parts.data(MESSAGE)).fault?.message ?? '', /needs the permission "body\.read"/)
  await using early = await hosting("{ 'message.parts': true }", 'await message.hash()')
  const session = { id: 's', client: { address: '192.0.2.1', port: 1, network: '192.0.2.1' } } as const
  const event = { session, transaction: { number: 1, reversePath: '', recipients: [], tags: [] } } as unknown
  const { fault } = await early.ask('mail', event as Parameters<typeof early.ask<'mail'>>[1])
  assert.match(fault?.message ?? '', /no message at this hook/)
})

const caller: Caller = {
  permissions: effectivePermissions({ 'message.parts': true, 'body.read': true }, {}),
  plugin: 'looks',
  question: { hook: 'data', session: 's_test', transaction: 1, secret: '', pluginMs: 1_000 },
  message: { content: { kind: 'inline', bytes: new Uint8Array(0) } } as unknown as MessageReader,
}

/** Runs an effect where whoever looks into messages answers like this. */
async function effect(
  name: string,
  contents: MessageContents | null,
  args: readonly unknown[] = [],
): Promise<unknown> {
  const found = messageEffects(contents).find(([method]) => method === name)
  return found?.[1].run(caller, args)
}

test('who does not answer in time is an error a plugin can catch', async () => {
  const late: MessageContents = {
    ask: () => Promise.reject(new ContentFault('late', 'no answer within 5000 ms')),
  }
  await assert.rejects(effect('message.parts', late), (error) => {
    return error instanceof EffectRefused && error.message === 'no answer within 5000 ms (late)'
  })
  await assert.rejects(effect('message.hash', null), EffectRefused)
})

test('what cannot be searched for is refused before anybody looks', async () => {
  const nobody: MessageContents = { ask: () => Promise.resolve('[]') }
  const refused: readonly (readonly unknown[])[] = [
    ['text'],
    [[]],
    [['']],
    [[7]],
    [['x'.repeat(257)]],
    [Array.from({ length: 101 }, () => 'x')],
    [Array.from({ length: 40 }, () => 'x'.repeat(250))],
    [['x'], { part: '2.1' }],
    [['x'], { part: 7 }],
    [['x'], { ignoreCase: 'yes' }],
    [['x'], { raw: 1 }],
  ]
  for (const args of refused)
    await assert.rejects(effect('message.search', nobody, args), EffectRefused, JSON.stringify(args))
  assert.equal(await effect('message.search', nobody, [['x'], { part: '1.2', ignoreCase: true }]), '[]')
  assert.equal(await effect('message.search', nobody, [['x'], null]), '[]')
})
