/** Loading on a busy machine: time that went to others is no fault of the plugin's. */

/** A third attempt on a machine that busy would only make it busier. */
const MAX_ATTEMPTS = 3
/** Of the processor: a plugin that has had so much and is not loaded takes too long, however slow the machine is. */
const OWN_MICROS = 250_000

/**
 * Does it again when its time was over before it had its share of the processor.
 *
 * @param isLate whether an error says that the time was over
 * @param usedMicros CPU time of this thread so far
 * @throws what `load` throws
 */
export function patiently<T>(
  load: () => T,
  isLate: (error: unknown) => boolean,
  usedMicros: () => number,
): T {
  const before = usedMicros()
  for (let attempt = 1; ; attempt++) {
    try {
      return load()
    } catch (error) {
      if (!isLate(error) || attempt >= MAX_ATTEMPTS || usedMicros() - before >= OWN_MICROS) throw error
    }
  }
}
