/** What is inside a message decides over it: in a whole gateway, from memory and from the spool. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attached, lines, PROGRAM } from '../core/content/message-stand.ts'
import { makeZip } from '../core/content/zip-maker.ts'
import { fixturePlugin, Gateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'

const TO = ['anna@example.test']

/** Two parts: text of about this many octets, and a zip. */
function withZip(textBytes: number, file: string, content: Buffer): Buffer {
  const zip = attached(makeZip([{ name: file, content }]), 'invoice.zip').toString('latin1')
  const text = 'A line of text.\r\n'.repeat(Math.ceil(textBytes / 17))
  const head = lines('Content-Type: multipart/mixed; boundary=b', '', '--b', '')
  return Buffer.from(`${head}${text}--b\r\n${zip}--b--\r\n`, 'latin1')
}

test('a program in an archive is refused, small or large, and the rest is delivered', async () => {
  await using gateway = await Gateway.start({
    plugins: [
      { name: 'relay-control' },
      { name: 'recipients' },
      { name: 'routing' },
      fixturePlugin('no-programs'),
    ],
  })
  for (const textBytes of [100, 3_000_000]) {
    const refused = await gateway.send(TO, withZip(textBytes, 'invoice.exe', PROGRAM))
    assert.match(refused, /^554 5\.7\.1 Executable inside archive/)
    assert.match(await gateway.send(TO, withZip(textBytes, 'invoice.txt', Buffer.from('text'))), /^250 /)
  }
  await until(() => gateway.kept().length === 2, 'both messages without a program')
  const { code } = await gateway.stop()
  assert.equal(code, 0)
  assert.deepEqual(gateway.logged('plugin-failed'), [])
})
