/** fail2ban reads what we write, by the filter that comes with the gateway. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { silentLog } from '../../core/observe/log.ts'
import { SecurityLog } from '../../core/observe/security-log.ts'
import { needing, startPeer } from '../support/peer-programs.ts'

const FILTER = fileURLToPath(new URL('../../config/fail2ban/postern.conf', import.meta.url))
const EVENTS = ['auth-fail', 'relay-denied', 'scan', 'flood'] as const

test('fail2ban-regex finds the address in each line', needing('fail2ban-regex'), async () => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-fail2ban-'))
  try {
    const file = join(folder, 'security.log')
    const log = new SecurityLog(file, { now: () => Date.now() }, silentLog)
    const facts = { listener: 'mx', reason: 'NETWORK_LIMIT', session: 's_0123456789abcdef' }
    for (const event of EVENTS)
      for (const address of ['203.0.113.9', '2001:db8::9']) log.tell({ event, address, ...facts })
    await log.flushed()
    const regex = startPeer('fail2ban-regex', ['--out', 'ip', file, FILTER])
    const { stdout } = await regex.end()
    const found = stdout.split('\n').filter((line) => line !== '')
    assert.deepEqual(found, Array(EVENTS.length).fill(['203.0.113.9', '2001:db8::9']).flat())
  } finally {
    rmSync(folder, { recursive: true })
  }
})
