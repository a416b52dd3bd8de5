/** The transaction being collected, from MAIL to the reply to the final dot (RFC 5321 §3.3). */
import { tagsOf } from '../hooks/actions.ts'
import type { TakenAction } from '../hooks/runner.ts'
import {
  type DsnEnvelope,
  type DsnRecipient,
  NO_DSN_ENVELOPE,
  NO_DSN_RECIPIENT,
} from '../mail/dsn-parameters.ts'
import type { Need, Transaction } from '../mail/session.ts'

export class MailTransaction {
  readonly number: number
  readonly reversePath: string
  readonly declaredSize: number | null
  /** RET and ENVID. */
  readonly dsn: DsnEnvelope
  /** What every server on its way has to be able to do. */
  readonly needs: readonly Need[]
  readonly #dsnOf = new Map<string, DsnRecipient>()
  readonly #recipients = new Set<string>()
  readonly #actions: TakenAction[] = []
  #snapshot: Transaction | null = null
  /** RCPT commands accepted, those that name a recipient again among them. */
  accepted = 0
  /** Recipients refused, for any reason. */
  refused = 0

  constructor(
    number: number,
    reversePath: string,
    declaredSize: number | null,
    dsn = NO_DSN_ENVELOPE,
    needs: readonly Need[] = [],
  ) {
    this.number = number
    this.reversePath = reversePath
    this.declaredSize = declaredSize
    this.dsn = dsn
    this.needs = needs
  }

  get recipients(): ReadonlySet<string> {
    return this.#recipients
  }

  addRecipient(address: string, dsn: DsnRecipient): void {
    this.#recipients.add(address)
    if (dsn.notify !== null || dsn.orcpt !== null) this.#dsnOf.set(address, dsn)
    this.#snapshot = null
  }

  /** NOTIFY and ORCPT of an accepted recipient. */
  dsnOf(address: string): DsnRecipient {
    return this.#dsnOf.get(address) ?? NO_DSN_RECIPIENT
  }

  /** What plugins wanted done to the message so far, what they left the session included. */
  get actions(): readonly TakenAction[] {
    return this.#actions
  }

  take(actions: readonly TakenAction[]): void {
    for (const taken of actions) {
      // Carried out where it was given.
      if (taken.action.kind === 'relay.grant' || taken.action.kind === 'auth.accept') continue
      this.#actions.push(taken)
      this.#snapshot = null
    }
  }

  /** What plugins are told of it now. */
  snapshot(): Transaction {
    const { number, reversePath, declaredSize } = this
    this.#snapshot ??= {
      number,
      reversePath,
      declaredSize,
      recipients: [...this.#recipients],
      tags: tagsOf(this.#actions).tags,
    }
    return this.#snapshot
  }
}
