/** A copy in random order, every order equally likely (Fisher and Yates). `random` is in [0, 1). */
export function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  const out = [...items]
  for (let last = out.length - 1; last > 0; last--) {
    const chosen = Math.floor(random() * (last + 1))
    const item = out[chosen] as Item
    out[chosen] = out[last] as Item
    out[last] = item
  }
  return out
}
