/** "Did you mean": the known name closest to one that is not known. */

/** The candidate a person most likely meant, null when none is close. */
export function closest(name: string, candidates: readonly string[]): string | null {
  const plain = simplified(name)
  const same = candidates.find((candidate) => simplified(candidate) === plain)
  if (same !== undefined) return same
  let best: { candidate: string; edits: number } | null = null
  for (const candidate of candidates) {
    const simple = simplified(candidate)
    const allowed = Math.min(2, Math.floor(Math.max(plain.length, simple.length) / 3))
    if (Math.abs(plain.length - simple.length) > allowed) continue
    const edits = distance(plain, simple)
    if (edits <= allowed && (best === null || edits < best.edits)) best = { candidate, edits }
  }
  return best?.candidate ?? null
}

/** `message_bytes`, `message-bytes` and `messageBytes` are one name spelt three ways. */
export function simplified(name: string): string {
  return name.toLowerCase().replace(/[_\s-]/g, '')
}

/** Insertions, deletions, replacements and swaps of neighbours that lead from one text to the other. */
function distance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      let edits = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, replaced)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) edits = Math.min(edits, (beforeLast[j - 2] ?? 0) + 1)
      row.push(edits)
    }
    beforeLast = last
    last = row
  }
  return last[b.length] ?? 0
}
