/** One mistake in a configuration and all that is said about it. */
export interface Mistake {
  readonly name: string
  readonly text: string
  /** All that is printed, problems separated by a line break. */
  readonly report: string
}
