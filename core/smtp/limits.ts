/** What one session may use up: errors, messages, and commands that lead nowhere. */
import type { SmtpLimits } from './settings.ts'

/** Commands that carry no mail (NOOP, RSET, VRFY, HELP, EHLO) a client may send between two messages. */
const IDLE_COMMANDS = 100

export class SessionBudget {
  readonly #limits: SmtpLimits
  readonly #isTrusted: boolean
  #errors = 0
  #messages = 0
  #idleCommands = 0

  constructor(limits: SmtpLimits, isTrusted: boolean) {
    this.#limits = limits
    this.#isTrusted = isTrusted
  }

  /** Books a permanent error the client caused. Returns whether it was one too many. */
  error(): boolean {
    return ++this.#errors > this.#limits.errorsPerSession
  }

  /** Whether half of the errors it may make are made: from then on replies to them are slow. */
  get isStrained(): boolean {
    return this.#errors > this.#limits.errorsPerSession / 2
  }

  /** Books a command that carries no mail. Beyond the first hundred in a row each is an error. */
  idleCommand(): boolean {
    return ++this.#idleCommands > IDLE_COMMANDS && this.error()
  }

  /** Books a message that is about to be received. */
  message(): void {
    this.#messages++
    this.#idleCommands = 0
  }

  /** Whether another message may follow; a trusted client has no end to them. */
  get mayGoOn(): boolean {
    return this.#isTrusted || this.#messages < this.#limits.messagesPerSession
  }
}
