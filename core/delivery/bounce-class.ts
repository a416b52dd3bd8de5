/** The class of what a recipient met: by the rules where somebody said something, else by what went wrong. */
import type { BounceClasses } from '../mail/bounce-classes.ts'
import { statusOf } from './notice-words.ts'
import type { Met, Phase } from './outcome.ts'

const TROUBLE: Readonly<Record<Phase, string>> = {
  connect: 'unreachable',
  hello: 'broken-off',
  tls: 'tls',
  auth: 'credentials',
  mail: 'broken-off',
  rcpt: 'broken-off',
  data: 'broken-off',
  dot: 'broken-off',
}

/** Of mail that was not delivered. */
export function bounceClassOf(met: Met, classes: BounceClasses): string {
  switch (met.kind) {
    case 'reply':
      if (met.phase === 'auth') return 'credentials'
      return classes.classOf({ code: met.code, status: statusOf(met, 'failed'), text: met.text })
    case 'trouble':
      return TROUBLE[met.phase]
    case 'policy':
      return 'plugin'
    case 'local':
    case 'misrouted':
    case 'kept':
      return 'local'
    case 'no-host':
    case 'too-large':
    case 'unsendable':
      // The status says it all: the words are ours, and may quote anybody's.
      return classes.classOf({ code: 0, status: statusOf(met, 'failed'), text: '' })
  }
}
