/** Waiting for something to become so. */
import { setTimeout as wait } from 'node:timers/promises'

/** Looks again and again until it is so. */
export async function until(isSo: () => Promise<boolean> | boolean, withinMs = 20_000): Promise<void> {
  const deadline = Date.now() + withinMs
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`not so within ${withinMs} ms: ${String(isSo)}`)
    await wait(10)
  }
}
