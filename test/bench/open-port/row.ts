/** One measured value, and how many are made into one. */

export interface Row {
  readonly what: string
  readonly value: number
  readonly unit: string
  /** What it should not be above; null: nothing was promised. */
  readonly goal: number | null
}

/** @param share in [0, 1]. NaN when there are no values */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}
