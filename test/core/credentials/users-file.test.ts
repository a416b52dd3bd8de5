import assert from 'node:assert/strict'
import { chmod, chown, mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { listUsers, readUsers, removeUser, setUser } from '../../../core/credentials/users-file.ts'
import { formatUser } from '../../../core/credentials/users-text.ts'
import { TemporaryFolder } from '../../support/temporary-folder.ts'
import { cheapUser } from './cheap-user.ts'

const BOB = cheapUser('bob', 'sesame')
const EVE = cheapUser('eve', 'secret')

const names = async (path: string): Promise<readonly string[]> => {
  const read = await readUsers(path)
  assert.equal(read.kind, 'users')
  return read.kind === 'users' ? listUsers(read.users) : []
}
const modeOf = async (path: string): Promise<string> => ((await stat(path)).mode & 0o777).toString(8)

test('users are set, listed and removed, and nothing else is left behind', async () => {
  await using folder = await TemporaryFolder.make()
  const path = join(folder.path, 'users')
  assert.deepEqual(await readUsers(path), { kind: 'missing' })
  assert.deepEqual(await setUser(path, BOB), { kind: 'done' })
  assert.deepEqual(await setUser(path, EVE), { kind: 'done' })
  assert.deepEqual(await setUser(path, cheapUser('bob', 'another')), { kind: 'done' })
  assert.deepEqual(await names(path), ['bob', 'eve'])
  assert.deepEqual(await removeUser(path, '\u00adbob'), { kind: 'done' })
  assert.deepEqual(await removeUser(path, 'bob'), { kind: 'unknown-user' })
  assert.deepEqual(await removeUser(path, 'b:b'), { kind: 'unknown-user' })
  assert.deepEqual(await names(path), ['eve'])
  assert.deepEqual(await readdir(folder.path), ['users'])
})

test('comments stay through an edit', async () => {
  await using folder = await TemporaryFolder.make()
  const path = join(folder.path, 'users')
  await writeFile(path, `# staff\n${formatUser(BOB)}\n\n# guests\n`)
  await setUser(path, EVE)
  await removeUser(path, 'bob')
  assert.equal(await readFile(path, 'utf8'), `# staff\n\n# guests\n${formatUser(EVE)}\n`)
})

for (const [before, after] of [
  [0o600, '600'],
  [0o640, '640'],
  [0o644, '640'],
  [0o666, '640'],
  [0o400, '600'],
] as const)
  test(`a file of mode ${before.toString(8)} has mode ${after} after an edit`, async () => {
    await using folder = await TemporaryFolder.make()
    const path = join(folder.path, 'users')
    await writeFile(path, '')
    await chmod(path, before)
    assert.deepEqual(await setUser(path, BOB), { kind: 'done' })
    assert.equal(await modeOf(path), after)
  })

test('a new file is its owner’s alone', async () => {
  await using folder = await TemporaryFolder.make()
  const path = join(folder.path, 'users')
  await setUser(path, BOB)
  assert.equal(await modeOf(path), '600')
})

const skip = process.getuid?.() !== 0 && 'only root can give a file away'
test('a file of somebody else stays theirs when root edits it', { skip }, async () => {
  await using folder = await TemporaryFolder.make()
  const path = join(folder.path, 'users')
  await writeFile(path, '')
  await chown(path, 12_345, 23_456)
  assert.deepEqual(await setUser(path, BOB), { kind: 'done' })
  const { uid, gid } = await stat(path)
  assert.deepEqual({ uid, gid }, { uid: 12_345, gid: 23_456 })
})

test('a file everybody may read is read, and said to be so', async () => {
  await using folder = await TemporaryFolder.make()
  const path = join(folder.path, 'users')
  await setUser(path, BOB)
  const isExposed = async (): Promise<unknown> => {
    const read = await readUsers(path)
    return read.kind === 'users' && read.isExposed
  }
  assert.equal(await isExposed(), false)
  await chmod(path, 0o644)
  assert.equal(await isExposed(), true)
})

test('a malformed file is told with its lines, and no edit touches it', async () => {
  await using folder = await TemporaryFolder.make()
  const path = join(folder.path, 'users')
  await writeFile(path, `${formatUser(BOB)}\neve:hunter2\n`)
  const problems = [{ line: 2, text: 'what follows the name must begin with {scrypt}' }]
  assert.deepEqual(await readUsers(path), { kind: 'malformed', problems })
  assert.deepEqual(await setUser(path, EVE), { kind: 'malformed', problems })
  assert.deepEqual(await removeUser(path, 'bob'), { kind: 'malformed', problems })
  assert.equal(await readFile(path, 'utf8'), `${formatUser(BOB)}\neve:hunter2\n`)
  assert.deepEqual(await readdir(folder.path), ['users'])
})

test('what cannot be read or written is an answer, not an exception', async () => {
  await using folder = await TemporaryFolder.make()
  const path = join(folder.path, 'users')
  await mkdir(path)
  const read = await readUsers(path)
  assert.equal(read.kind, 'unreadable')
  assert.equal((await setUser(path, BOB)).kind, 'failed')
  assert.equal((await setUser(join(folder.path, 'missing', 'users'), BOB)).kind, 'failed')
  assert.deepEqual(await readdir(folder.path), ['users'])
})

test('a symbolic link stays one: the file it leads to is replaced', async () => {
  await using folder = await TemporaryFolder.make()
  const [real, link] = [join(folder.path, 'real'), join(folder.path, 'users')]
  await writeFile(real, '')
  await symlink(real, link)
  await setUser(link, BOB)
  assert.equal(await readlink(link), real)
  assert.deepEqual(await names(real), ['bob'])
})

test('edits at the same time lose nothing', async () => {
  await using folder = await TemporaryFolder.make()
  const path = join(folder.path, 'users')
  const users = Array.from({ length: 8 }, (_, i) => ({ ...BOB, name: `user${i}` }))
  const edits = await Promise.all(users.map((user) => setUser(path, user, 60_000)))
  assert.ok(edits.every(({ kind }) => kind === 'done'))
  assert.deepEqual(
    (await names(path)).toSorted(),
    users.map(({ name }) => name),
  )
})

test('an edit that another one keeps waiting too long gives up and names the file', async () => {
  await using folder = await TemporaryFolder.make()
  const path = join(folder.path, 'users')
  const temporary = join(folder.path, '.users.new')
  await writeFile(temporary, '')
  assert.deepEqual(await setUser(path, BOB, 0), {
    kind: 'failed',
    reason: `another edit holds ${temporary}; if none runs, delete it`,
  })
  assert.deepEqual(await readdir(folder.path), ['.users.new'])
})
