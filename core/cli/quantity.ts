/** Durations, sizes, moments and counts as people read them. */

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** `3 d 2 h`, `12 min`, `5 s`, `0.4 s`: at most two units, nobody reads a third. */
export function formatDuration(ms: number): string {
  const positive = Math.max(0, ms)
  if (positive < 10 * SECOND) return `${Math.round(positive / 100) / 10} s`
  if (positive < MINUTE) return `${Math.floor(positive / SECOND)} s`
  if (positive < HOUR) return `${Math.floor(positive / MINUTE)} min`
  if (positive < DAY) return twoUnits(positive, HOUR, 'h', MINUTE, 'min')
  return twoUnits(positive, DAY, 'd', HOUR, 'h')
}

function twoUnits(ms: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((ms % large) / small)
  return `${Math.floor(ms / large)} ${largeName}${rest === 0 ? '' : ` ${rest} ${smallName}`}`
}

/** `in 2 min`, `3 h 5 min ago`, `now`. */
export function formatRelative(at: number, now: number): string {
  const distance = at - now
  if (Math.abs(distance) < SECOND) return 'now'
  return distance > 0 ? `in ${formatDuration(distance)}` : `${formatDuration(-distance)} ago`
}

/** `2026-11-23 18:41:07` in local time. */
export function formatMoment(at: number): string {
  const date = new Date(at)
  if (Number.isNaN(date.getTime())) return 'never'
  const two = (part: number) => String(part).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

/** `0.6 ms` of microseconds. */
export function formatMicros(micros: number): string {
  const ms = micros / 1_000
  return `${ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms)} ms`
}

/** `312 B`, `38 KB`, `1.2 MB`, by thousands. */
export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`
  const units = ['KB', 'MB', 'GB', 'TB']
  let value = bytes / 1_000
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1_000
    unit++
  }
  return `${value < 9.95 ? Math.round(value * 10) / 10 : Math.round(value)} ${units[unit]}`
}

/** `1 message`, `3 messages`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
