/**
 * What core/smtp/server.ts and parser.ts use of smtp-server without its being promised. When one of these fails after
 * an upgrade, both have to be read again against the new sources.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Socket } from 'node:net'
import { test } from 'node:test'
import { SMTPServer } from 'smtp-server'
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js'
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'

const source = ['server.ts', 'parser.ts']
  .map((file) => readFileSync(new URL(`../../../core/smtp/${file}`, import.meta.url), 'utf8'))
  .join('\n')

const METHODS = {
  SMTPServer: [SMTPServer.prototype, { connect: 2 }],
  SMTPConnection: [
    SMTPConnection.prototype,
    {
      init: 0,
      close: 0,
      _createParser: 0,
      _onCommand: 2,
      _whenWritable: 1,
      _armTimeout: 0,
      _onTimeout: 0,
      _onError: 1,
      _onClose: 0,
    },
  ],
  SMTPStream: [
    SMTPStream.prototype,
    { oncommand: 2, _write: 3, _feedDataStream: 2, _commandTooLong: 0, _flushData: 0 },
  ],
} as const

for (const [name, [prototype, methods]] of Object.entries(METHODS)) {
  for (const [method, parameters] of Object.entries(methods)) {
    test(`${name} has ${method} with ${parameters} parameters`, () => {
      const found = (prototype as unknown as Record<string, unknown>)[method]
      assert.equal(typeof found, 'function')
      assert.equal((found as () => void).length, parameters)
    })
  }
}

test('a connection has the members we read, with the values they begin with', () => {
  const server = new SMTPServer({ logger: false, hideSTARTTLS: true, disableReverseLookup: true })
  const connection = new SMTPConnection(server, new Socket(), { id: 'mine' })
  assert.equal(connection.id, 'mine')
  assert.equal(connection._closing, false)
  assert.equal(connection._closed, false)
  assert.ok(connection._socket instanceof Socket)
  assert.ok(connection._parser instanceof SMTPStream)
  assert.ok(server.connections instanceof Set)
})

test('a parser has the members we set, with the values they begin with', () => {
  const parser = new SMTPStream({ maxCommandLength: 10 })
  assert.equal(parser._dataMode, false)
  assert.equal(parser._remainder, '')
  assert.equal(parser.isClosed, false)
})

test('nothing private is used that is not named here', () => {
  const known = new Set<string>(Object.values(METHODS).flatMap(([, methods]) => Object.keys(methods)))
  for (const field of ['_closing', '_closed', '_socket', '_parser', '_dataMode', '_remainder'])
    known.add(field)
  const used = new Set(
    [...source.matchAll(/(?:this|super|parser|connection)\.(_\w+)|override (_\w+)/g)].map(
      (match) => match[1] ?? match[2],
    ),
  )
  assert.ok(used.size > 10)
  assert.deepEqual(
    [...used].filter((name) => !known.has(name as string)),
    [],
  )
})

test('the version is the one that was read', () => {
  const require = createRequire(import.meta.url)
  assert.equal((require('smtp-server/package.json') as { version: string }).version, '3.21.6')
})
