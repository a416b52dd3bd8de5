/** The certificate clients are shown, exchanged when its files change: a renewed one needs no restart. */
import { createHash } from 'node:crypto'
import { type FSWatcher, watch } from 'node:fs'
import { dirname } from 'node:path'
import type { SecureContext } from 'node:tls'
import type { Log } from '../observe/log.ts'
import type { Authorities } from './authorities.ts'
import { namesOf } from './certificate-names.ts'
import {
  isKeyPairFault,
  type KeyPair,
  type KeyPairFault,
  type KeyPairFiles,
  type PemPair,
  readKeyPair,
  readKeyPairOfAnyTime,
  whyNotValid,
} from './key-pair.ts'
import { secureContext } from './secure-context.ts'

/** Certificate and key are written one after the other: both are there when nothing changed for so long. */
const SETTLE_MS = 500
/** Changes that are not told (network file systems, exchanged folders) are found by looking. */
const LOOK_MS = 60_000

export interface CertificateOptions {
  readonly files: KeyPairFiles
  readonly log: Log
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Shown while the files have nothing that could be. Must be usable. */
  readonly standIn: () => PemPair
  /** What that is, for the log. */
  readonly standInIs?: string
  /** Who vouches for clients; nobody when missing. */
  readonly clientAuthorities?: Authorities
}

/** What a worker begins with. */
interface Found {
  readonly context: SecureContext
  /** null: the stand-in. */
  readonly pair: KeyPair | null
  /** Why it is not what it should be. */
  readonly fault: KeyPairFault | null
}

export class WatchedCertificate {
  readonly #options: CertificateOptions
  readonly #watchers: FSWatcher[] = []
  readonly #looking: NodeJS.Timeout
  #settling: NodeJS.Timeout | null = null
  #context: SecureContext
  #names: ReadonlySet<string>
  /** What was found last, good or bad, so that it is told once. */
  #seen: string

  private constructor(options: CertificateOptions, { context, pair, fault }: Found) {
    const { files, log, standInIs = 'one made for now' } = options
    this.#options = options
    this.#context = context
    this.#names = pair === null ? new Set() : namesOf(pair.certificate)
    this.#seen = appearance(fault ?? pair)
    if (fault !== null) {
      const { message, remedy } = fault
      log.error('certificate-unfit', {
        reason: message,
        remedy,
        shown: pair === null ? standInIs : 'it all the same',
      })
    }
    if (pair !== null) this.#warnOfMode(pair)
    for (const folder of new Set([dirname(files.certificate), dirname(files.key)])) this.#watch(folder)
    this.#looking = setInterval(() => this.#look(), LOOK_MS).unref()
  }

  /**
   * Reads the files and keeps an eye on them. It is no use to take no mail because of a certificate: one whose time is
   * over is shown, in place of one that cannot be shown the stand-in, and the log says so. Who starts a gateway is told
   * before, by config/certificate.ts; this is for a worker that is replaced later.
   */
  static open(options: CertificateOptions): WatchedCertificate {
    return new WatchedCertificate(options, found(options))
  }

  /** For the next handshake. Connections keep what they have begun with. */
  get context(): SecureContext {
    return this.#context
  }

  /** Host names it is for, in small letters; one may begin with `*.`. A stand-in is for none. */
  get names(): ReadonlySet<string> {
    return this.#names
  }

  close(): void {
    for (const watcher of this.#watchers) watcher.close()
    clearInterval(this.#looking)
    if (this.#settling !== null) clearTimeout(this.#settling)
  }

  /** The folder, not the file: files are replaced by renaming, and links by other links. */
  #watch(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => {
        if (this.#settling !== null) clearTimeout(this.#settling)
        this.#settling = setTimeout(() => this.#look(), SETTLE_MS).unref()
      })
      watcher.on('error', (error) => this.#unwatched(folder, error))
      this.#watchers.push(watcher)
    } catch (error) {
      this.#unwatched(folder, error as Error)
    }
  }

  #unwatched(folder: string, error: Error): void {
    const { log } = this.#options
    log.warn('certificate-not-watched', { folder, reason: error.message, lookingEveryMs: LOOK_MS })
  }

  #look(): void {
    const { files, log, now, clientAuthorities } = this.#options
    const pair = readKeyPair(files, now())
    const seen = appearance(pair)
    if (seen === this.#seen) return
    this.#seen = seen
    const context = isKeyPairFault(pair) ? pair : secureContext(pair, files, clientAuthorities)
    if ('kind' in context) {
      const { message, remedy } = context
      log.error('certificate-not-exchanged', { reason: message, remedy, kept: 'the one in use' })
      return
    }
    this.#context = context
    if (isKeyPairFault(pair)) return
    this.#names = namesOf(pair.certificate)
    this.#warnOfMode(pair)
    log.info('certificate-exchanged', {
      file: files.certificate,
      validUntil: new Date(pair.validUntil).toISOString(),
    })
  }

  #warnOfMode({ excessMode }: KeyPair): void {
    if (excessMode === 0) return
    const { files, log } = this.#options
    log.warn('key-file-exposed', { file: files.key, remedy: `chmod 0640 ${files.key}` })
  }
}

function found({ files, now, standIn, clientAuthorities }: CertificateOptions): Found {
  const pair = readKeyPairOfAnyTime(files)
  const context = isKeyPairFault(pair) ? pair : secureContext(pair, files, clientAuthorities)
  if (!('kind' in context) && !isKeyPairFault(pair))
    return { context, pair, fault: whyNotValid(pair, files, now()) }
  const made = secureContext(standIn(), files, clientAuthorities)
  if ('kind' in made) throw new Error(made.message)
  return { context: made, pair: null, fault: 'kind' in context ? context : null }
}

function appearance(read: KeyPair | KeyPairFault | null): string {
  if (read === null) return ''
  if (isKeyPairFault(read)) return read.message
  return createHash('sha256').update(read.certificate).update(read.key).digest('base64')
}
