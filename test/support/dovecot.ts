/** Dovecot as a mailbox server: LMTP over TCP and over a Unix socket, into maildirs of a few users. */
import { readdirSync, readFileSync } from 'node:fs'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { freePort, isListening } from './free-port.ts'
import { startPeer } from './peer-programs.ts'
import type { ProcessGroup } from './process-group.ts'
import { TemporaryFolder } from './temporary-folder.ts'
import { until } from './until.ts'

/** User and group on Debian. */
const NOBODY = 65_534

export class Dovecot implements AsyncDisposable {
  readonly port: number
  readonly #folder: TemporaryFolder
  readonly #group: ProcessGroup

  private constructor(port: number, folder: TemporaryFolder, group: ProcessGroup) {
    this.port = port
    this.#folder = folder
    this.#group = group
  }

  /** @param users addresses it knows */
  static async start(users: readonly string[]): Promise<Dovecot> {
    const folder = await TemporaryFolder.make()
    try {
      const port = await freePort()
      return new Dovecot(port, folder, await startDovecot(folder.path, port, users))
    } catch (error) {
      await folder[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Over TCP. */
  get route(): string {
    return `lmtp://127.0.0.1:${this.port}`
  }

  /** Over the Unix socket. */
  get localRoute(): string {
    return `lmtp+unix:${socketIn(this.#folder.path)}`
  }

  /** Messages a user has, in no order; lines end in LF. */
  kept(user: string): readonly Buffer[] {
    const fresh = join(this.#folder.path, 'mail', user, 'new')
    try {
      return readdirSync(fresh).map((file) => readFileSync(join(fresh, file)))
    } catch (error) {
      // Made with the first message.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#group.kill()
    await this.#folder[Symbol.asyncDispose]()
  }
}

async function startDovecot(folder: string, port: number, users: readonly string[]): Promise<ProcessGroup> {
  const { uid, gid } = await mailboxOwner(folder)
  const known = users.map((user) => `${user}::${uid}:${gid}::${join(folder, 'mail', user)}::\n`)
  await writeFile(join(folder, 'users'), known.join(''))
  await writeFile(join(folder, 'dovecot.conf'), configuration(folder, port))
  await mkdir(join(folder, 'base'))
  const group = startPeer('dovecot', ['-F', '-c', join(folder, 'dovecot.conf')], folder)
  try {
    await until(() => group.ended !== null || isListening(port), 'dovecot to listen')
    if (group.ended !== null) throw new Error(`dovecot did not start: ${group.stderr}`)
    return group
  } catch (error) {
    await group.kill()
    throw error
  }
}

/** Whom the mailboxes belong to: us. It does not write mail as root, so then it is nobody, who must find the way. */
async function mailboxOwner(folder: string): Promise<{ readonly uid: number; readonly gid: number }> {
  await mkdir(join(folder, 'mail'))
  const { uid, gid } = userInfo()
  if (uid !== 0) return { uid, gid }
  await chmod(folder, 0o711)
  await chmod(join(folder, 'mail'), 0o777)
  return { uid: NOBODY, gid: NOBODY }
}

function socketIn(folder: string): string {
  return join(folder, 'lmtp')
}

/** Its processes are of our own user, so that nothing needs a privilege. */
function configuration(folder: string, port: number): string {
  const { username, gid } = userInfo()
  return `
base_dir = ${folder}/base
state_dir = ${folder}/base
log_path = ${folder}/log
protocols = lmtp
ssl = no
default_internal_user = ${username}
default_login_user = ${username}
default_internal_group = ${groupName(gid)}
first_valid_uid = 1
mail_location = maildir:${folder}/mail/%u
userdb {
  driver = passwd-file
  args = ${folder}/users
}
passdb {
  driver = passwd-file
  args = ${folder}/users
}
service anvil {
  chroot =
}
service lmtp {
  chroot =
  inet_listener lmtp {
    address = 127.0.0.1
    port = ${port}
  }
  unix_listener ${socketIn(folder)} {
    mode = 0600
  }
}
`
}

function groupName(gid: number): string {
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((group) => group.split(':')[2] === String(gid))
  if (line === undefined) throw new Error(`group ${gid} has no name`)
  return line.split(':')[0] ?? ''
}
