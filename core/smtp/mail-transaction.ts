/** The transaction being collected, from MAIL to the reply to the final dot (RFC 5321 §3.3). */
import type { Transaction } from '../mail/session.ts'

export class MailTransaction {
  readonly number: number
  readonly reversePath: string
  readonly declaredSize: number | null
  readonly #recipients = new Set<string>()
  readonly #holds: string[] = []
  #snapshot: Transaction | null = null
  /** Recipients refused, for any reason. */
  refused = 0

  constructor(number: number, reversePath: string, declaredSize: number | null) {
    this.number = number
    this.reversePath = reversePath
    this.declaredSize = declaredSize
  }

  get recipients(): ReadonlySet<string> {
    return this.#recipients
  }

  addRecipient(address: string): void {
    this.#recipients.add(address)
    this.#snapshot = null
  }

  /** Why the message is to be held; empty when it is not. */
  get holds(): readonly string[] {
    return this.#holds
  }

  hold(reasons: readonly string[]): void {
    this.#holds.push(...reasons)
  }

  /** What plugins are told of it now. */
  snapshot(): Transaction {
    const { number, reversePath, declaredSize } = this
    this.#snapshot ??= { number, reversePath, declaredSize, recipients: [...this.#recipients] }
    return this.#snapshot
  }
}
