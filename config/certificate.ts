/** What is wrong with the certificates the configuration names: found before a start, and by `config check`. */
import { type AuthoritiesFault, readAuthorities } from '../core/tls/authorities.ts'
import { isKeyPairFault, type KeyPairFault, readKeyPair } from '../core/tls/key-pair.ts'
import { secureContext } from '../core/tls/secure-context.ts'
import type { Config, KeyPairConfig } from './config.ts'
import type { Problem, ProblemCode } from './problem.ts'

const CODES: { readonly [kind in KeyPairFault['kind']]: ProblemCode } = {
  unreadable: 'P1140',
  unusable: 'P1141',
  'not-valid-now': 'P1142',
}

/** @param now milliseconds since 1970 */
export function certificateProblems(config: Config, now: number): readonly Problem[] {
  return [...ownProblems(config, now), ...authorityProblems(config)]
}

/** A certificate the gateway makes itself has nothing to be wrong with. */
function ownProblems({ tls }: Config, now: number): readonly Problem[] {
  if (tls === null || tls.isGenerated) return []
  return [tls, ...tls.certificates].flatMap((files) => pairProblems(files, now))
}

function pairProblems(files: KeyPairConfig, now: number): readonly Problem[] {
  const pair = readKeyPair(files, now)
  if (isKeyPairFault(pair)) return [certificateProblem(files, pair)]
  const context = secureContext(pair, files)
  return 'kind' in context ? [certificateProblem(files, context)] : []
}

function authorityProblems({ outbound, tls }: Config): readonly Problem[] {
  const { ca, place } = outbound.tls
  const named = [ca === null ? null : { file: ca, place }, tls?.clientCa ?? null]
  return named.flatMap((one) => {
    const read = one === null ? [] : readAuthorities(one.file)
    return one !== null && 'kind' in read ? [authoritiesProblem(one.place, read)] : []
  })
}

/** The same for authorities. */
export function authoritiesProblem(place: string, { kind, message }: AuthoritiesFault): Problem {
  const remedy = 'name a PEM file with certificates of authorities that this user may read'
  return { code: CODES[kind], place, message, remedy }
}

/** A fault as a problem of the configuration. */
function certificateProblem({ place }: KeyPairConfig, { kind, message, remedy }: KeyPairFault): Problem {
  return { code: CODES[kind], place, message, remedy }
}
