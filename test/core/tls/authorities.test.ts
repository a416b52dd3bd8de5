import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect, type SecureContext } from 'node:tls'
import { readAuthorities, trustedContext } from '../../../core/tls/authorities.ts'
import { remoteFor } from '../../support/fake-remote.ts'
import { TemporaryFolder } from '../../support/temporary-folder.ts'
import { namedServer } from '../../support/test-certificate.ts'

const NAME = 'mail.example.test'

test('a file may have several certificates, and text between them', async (t) => {
  const folder = await TemporaryFolder.make()
  t.after(() => folder[Symbol.asyncDispose]())
  const file = join(folder.path, 'ca.pem')
  const all = [namedServer(NAME), namedServer(NAME)].map(({ certificate }) => certificate.trim())
  writeFileSync(file, `# ours\n${all.join('\n\nsubject=x\n')}\n`)
  assert.deepEqual(readAuthorities(file), all)
})

test('what is named is trusted beside what the system trusts, and nothing else is', async (t) => {
  const { certificate, context } = namedServer(NAME)
  assert.equal(await isVerified(t, context, trustedContext([])), false)
  assert.equal(await isVerified(t, context, trustedContext([certificate])), true)
  assert.equal(await isVerified(t, context, trustedContext([namedServer(NAME).certificate])), false)
})

/** Whether a client that trusts so takes the server for who it is. */
async function isVerified(t: TestContext, context: SecureContext, trust: SecureContext): Promise<boolean> {
  const { port } = await remoteFor(t, undefined, { context, isImplicit: true })
  const socket = connect({ host: '127.0.0.1', port, servername: NAME, secureContext: trust })
  try {
    await once(socket, 'secureConnect')
    return true
  } catch (error) {
    assert.match(String(error), /self-signed certificate/)
    return false
  } finally {
    socket.destroy()
  }
}
