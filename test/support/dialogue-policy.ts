/** The policy the dialogues are played against: what is asked for in the address, the name or the subject happens. */

import type { Answer, Fault } from '../../core/mail/answer.ts'
import type { Credentials } from '../../core/smtp/ports.ts'
import { defer, disconnect, fault, pass, reject, type TestPlugin } from '../core/smtp/panel.ts'
import { relayControl } from '../core/smtp/test-server.ts'

const SAID: Readonly<Record<string, () => Answer | Fault>> = {
  reject: () => reject('5.7.1', 'Not wanted'),
  defer: () => defer('4.7.1', 'Come back later'),
  disconnect: () => disconnect('4.7.0', 'Good-bye'),
  unknown: () => reject('5.1.1', 'No such recipient here'),
  fail: () => fault(),
  hold: () => pass({ kind: 'hold', text: 'to be looked at', recipients: null }),
}

function said(text: string): Answer | Fault {
  const word = Object.keys(SAID).find((candidate) => text.includes(candidate))
  return word === undefined ? pass() : (SAID[word] as () => Answer | Fault)()
}

/** Alice's password is `wonderland`; who is called after a verdict gets it. */
export const credentials: Credentials = {
  verify: async ({ name, password }) => {
    if (name === 'busy' || name === 'unavailable') return { kind: name, reason: 'asked for' }
    return name === 'alice' && password === 'wonderland'
      ? { kind: 'verified', identity: 'alice@example.test' }
      : { kind: 'wrong' }
  },
}

export const policy: readonly TestPlugin[] = [
  {
    name: 'as-asked',
    hooks: {
      helo: ({ session }) => said(session.hello?.name ?? ''),
      mail: ({ transaction }) => said(transaction.reversePath),
      rcpt: ({ localPart }) => said(localPart),
      data: (_event, message) =>
        said(message.headers().find(({ name }) => name.toLowerCase() === 'subject')?.value ?? ''),
    },
  },
  relayControl,
]
