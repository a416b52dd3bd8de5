/** How many questions one caller may cause, a message say: what hostile mail can make us ask is bounded (RFC 7208 §4.6.4). */
export class QueryBudget {
  readonly limit: number
  #spent = 0

  /** @param limit questions that go out to a server; what the cache answers is free */
  constructor(limit: number) {
    this.limit = limit
  }

  get isUsedUp(): boolean {
    return this.#spent >= this.limit
  }

  /** Books questions; more than there were left uses it up. */
  spend(questions: number): void {
    this.#spent += questions
  }
}
