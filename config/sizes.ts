/** Sizes as people write them: `25MiB`, `10KB`, or a plain number of bytes. */

/** From large to small; the powers of two come first because they are what sizes are shown in. */
const UNITS_BYTES = {
  GiB: 1024 ** 3,
  MiB: 1024 ** 2,
  KiB: 1024,
  GB: 1_000_000_000,
  MB: 1_000_000,
  KB: 1000,
  B: 1,
} as const

/** Bytes; null when the value is no size. */
export function parseSize(value: string | number): number | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : null
  const match = /^([0-9]{1,15})(GiB|MiB|KiB|GB|MB|KB|B)?$/.exec(value)
  if (match === null) return null
  const bytes = Number(match[1]) * UNITS_BYTES[(match[2] ?? 'B') as keyof typeof UNITS_BYTES]
  return Number.isSafeInteger(bytes) ? bytes : null
}

/** Text that means exactly `bytes`; a plain number when no power of two fits. */
export function formatSize(bytes: number): string | number {
  for (const unit of ['GiB', 'MiB', 'KiB'] as const)
    if (bytes > 0 && bytes % UNITS_BYTES[unit] === 0) return `${bytes / UNITS_BYTES[unit]}${unit}`
  return bytes
}
