/** What is wrong with the certificate the configuration names: found before a start, and by `config check`. */
import { isKeyPairFault, type KeyPairFault, readKeyPair } from '../core/tls/key-pair.ts'
import { secureContext } from '../core/tls/secure-context.ts'
import type { Config, TlsConfig } from './config.ts'
import type { Problem, ProblemCode } from './problem.ts'

const CODES: { readonly [kind in KeyPairFault['kind']]: ProblemCode } = {
  unreadable: 'P1140',
  unusable: 'P1141',
  'not-valid-now': 'P1142',
}

/** A certificate the gateway makes itself has nothing to be wrong with. @param now milliseconds since 1970 */
export function certificateProblems({ tls }: Config, now: number): readonly Problem[] {
  if (tls === null || tls.isGenerated) return []
  const pair = readKeyPair(tls, now)
  if (isKeyPairFault(pair)) return [certificateProblem(tls, pair)]
  const context = secureContext(pair, tls)
  return 'kind' in context ? [certificateProblem(tls, context)] : []
}

/** A fault as a problem of the configuration. */
function certificateProblem({ place }: TlsConfig, { kind, message, remedy }: KeyPairFault): Problem {
  return { code: CODES[kind], place, message, remedy }
}
