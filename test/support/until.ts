/** Waiting for what happens in another process: asked again and again, never for ever. */
import { setTimeout as wait } from 'node:timers/promises'

const PAUSE_MS = 10

/** Waits until it is so. @throws Error that names `what` when it is not so in time */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  what: string,
  withinMs = 20_000,
): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`waited ${withinMs} ms in vain for ${what}`)
    await wait(PAUSE_MS)
  }
}
