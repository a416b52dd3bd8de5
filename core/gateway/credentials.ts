/** The people who may sign in: their file, read again whenever it has changed, and whoever checks passwords against it. */
import { stat } from 'node:fs/promises'
import { saltSecret } from '../credentials/salt-secret.ts'
import { ScramServer } from '../credentials/scram-server.ts'
import { type ReadUsers, readUsers } from '../credentials/users-file.ts'
import type { Users } from '../credentials/users-text.ts'
import { Verifier } from '../credentials/verifier.ts'
import type { Clock } from '../observe/clock.ts'
import type { Log } from '../observe/log.ts'
import type { Credentials, OfferedCredentials, ScramSignIn, Verification } from '../smtp/ports.ts'
import type { Tallies } from '../state/tallies.ts'

export interface FileCredentials extends Credentials {
  close(): Promise<void>
}

export interface CredentialsOptions {
  /** Of users; null: there is none. */
  readonly file: string | null
  /** File of what the salts of unknown names are made of; made when it is missing. */
  readonly saltSecretFile: string
  readonly log: Log
  readonly clock: Clock
  /** What failures are counted in; of this worker alone when missing. */
  readonly tallies?: Tallies
}

/** null without a file: then only plugins can let somebody sign in. */
export async function openCredentials({
  file,
  saltSecretFile,
  log,
  clock,
  tallies,
}: CredentialsOptions): Promise<FileCredentials | null> {
  if (file === null) return null
  const users = new FollowedUsers(file, log)
  await users.refresh()
  const shared = tallies === undefined ? {} : { tallies }
  const verifier = new Verifier({ clock, users: () => users.current, ...shared })
  const scram = await openScram(users, verifier, saltSecretFile, log)
  return {
    verify: async (offered: OfferedCredentials): Promise<Verification> => {
      await users.refresh()
      return verifier.verify(offered)
    },
    ...(scram === null ? {} : { scram }),
    close: () => verifier.close(),
  }
}

/** null without the secret: made-up names could be told from those of users. */
async function openScram(
  users: FollowedUsers,
  verifier: Verifier,
  saltSecretFile: string,
  log: Log,
): Promise<ScramSignIn | null> {
  let secret: Buffer
  try {
    secret = await saltSecret(saltSecretFile)
  } catch (error) {
    log.error('scram-not-offered', { file: saltSecretFile, reason: (error as Error).message })
    return null
  }
  const server = new ScramServer({ users: () => users.current, verifier, secret })
  return {
    get isPossible() {
      return server.isPossible
    },
    begin: async (message, channel) => {
      await users.refresh()
      return server.begin(message, channel)
    },
  }
}

/** Looked at before each attempt: `postern user set` counts from the next one on, and needs no reload. */
class FollowedUsers {
  readonly #file: string
  readonly #log: Log
  /** Why they are not known, when they are not. */
  current: Users | string = 'not read yet'
  #seen = ''

  constructor(file: string, log: Log) {
    this.#file = file
    this.#log = log
  }

  async refresh(): Promise<void> {
    const seen = await appearance(this.#file)
    if (seen === this.#seen) return
    const read = await readUsers(this.#file)
    this.#seen = seen
    this.current = read.kind === 'users' ? read.users : this.#trouble(read)
    if (read.kind !== 'users') return
    this.#log.info('users-read', { file: this.#file, users: read.users.size })
    if (read.isExposed)
      this.#log.warn('users-file-exposed', { file: this.#file, remedy: `chmod 0640 ${this.#file}` })
  }

  /** Nothing of the file is repeated: a line can be a password in the wrong place. */
  #trouble(read: Exclude<ReadUsers, { kind: 'users' }>): string {
    const file = this.#file
    if (read.kind === 'missing') {
      this.#log.info('users-file-missing', { file, remedy: 'postern user set NAME makes it' })
      return `${file} does not exist`
    }
    const reason =
      read.kind === 'unreadable'
        ? read.reason
        : read.problems.map(({ line, text }) => `line ${line}: ${text}`).join('; ')
    this.#log.error('users-file-unusable', { file, reason })
    return `${file}: ${reason}`
  }
}

async function appearance(file: string): Promise<string> {
  try {
    // The time of the last change of owner or mode is in it: a file handed over to us becomes readable by that.
    const { ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true })
    return [ino, size, mtimeNs, ctimeNs].join(' ')
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error)
  }
}
