/** F19: a second gateway on the same store does not start, says which lock is in its way, and the first goes on. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { Gateway, GatewayFolder } from '../../support/gateway.ts'
import { message } from '../../support/message-bytes.ts'

test('F19: two gateways, one store', { timeout: 90_000 }, async () => {
  await using first = await Gateway.start()
  const directory = join(first.folder.path, 'store')
  await using other = await GatewayFolder.make({ store: { directory } })
  const { code, stderr } = await other.run(['start'])
  assert.notEqual(code, 0)
  assert.match(stderr, /P3020/)
  assert.ok(stderr.includes(directory), stderr)
  assert.match(await first.send(['anna@example.test'], message('still here')), /^250 /)
  // The lock goes with its process, whatever way that ends.
  await first.kill()
  await first.restart()
  assert.match(await first.send(['anna@example.test'], message('again')), /^250 /)
})
