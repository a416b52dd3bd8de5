/** What is wrong with the files the configuration names, but for those of plugins: found before a start. */
import { readBounceClasses } from './bounce-classes.ts'
import { certificateProblems } from './certificate.ts'
import type { Config } from './config.ts'
import type { Problem } from './problem.ts'

/** @param now milliseconds since 1970 */
export function namedFileProblems(config: Config, now: number): readonly Problem[] {
  const classes = readBounceClasses(config)
  return [...certificateProblems(config, now), ...('problems' in classes ? classes.problems : [])]
}
