/**
 * The hook table: for every hook, how a refusal reads on the wire, which actions mean something there, how long it
 * may take, and what a failing plugin means. Everything about a hook that is data stands here.
 */
import type { ActionKind, RefusalKind } from '../mail/answer.ts'
import { HOOK_NAMES, type HookName } from '../mail/hook-events.ts'

export interface Hook {
  /** Basic reply code of each refusal; null: not allowed here; UNSAID: allowed, and nobody is there to hear it. */
  readonly codes: { readonly [kind in RefusalKind]: number | null }
  readonly actions: readonly ActionKind[]
  /** Whether a hold or a discard may name the recipients it is for; elsewhere it cannot know them all. */
  readonly namesRecipients: boolean
  /** Wall time of one plugin, what it waits for included, in milliseconds. */
  readonly pluginMs: number
  /** Wall time of all plugins together, in milliseconds. */
  readonly chainMs: number
  /** What the client hears when a plugin failed: transient always, for local trouble is never 5yz. */
  readonly failureCode: number
  /**
   * `at-mail`: a plugin that failed owes an answer, and the client hears it at MAIL. `at-once`: now. `never`: nothing
   * follows from it, the next plugin is asked.
   */
  readonly failure: 'at-once' | 'at-mail' | 'never'
}

/** Code of a refusal that is said to nobody. */
export const UNSAID = 0

export const HOOKS: { readonly [name in HookName]: Hook } = {
  connect: {
    codes: { reject: 554, defer: 421, disconnect: 421 },
    actions: ['hold', 'tag'],
    namesRecipients: false,
    pluginMs: 10_000,
    chainMs: 30_000,
    failureCode: 451,
    failure: 'at-mail',
  },
  helo: {
    codes: { reject: 550, defer: 450, disconnect: 421 },
    actions: ['hold', 'tag'],
    namesRecipients: false,
    pluginMs: 10_000,
    chainMs: 30_000,
    failureCode: 451,
    failure: 'at-mail',
  },
  auth: {
    codes: { reject: 535, defer: 454, disconnect: 421 },
    actions: ['hold', 'tag', 'auth.accept'],
    namesRecipients: false,
    pluginMs: 10_000,
    chainMs: 30_000,
    failureCode: 454,
    failure: 'at-once',
  },
  mail: {
    codes: { reject: 550, defer: 451, disconnect: 421 },
    actions: ['hold', 'discard', 'tag'],
    namesRecipients: false,
    pluginMs: 10_000,
    chainMs: 30_000,
    failureCode: 451,
    failure: 'at-once',
  },
  rcpt: {
    codes: { reject: 550, defer: 450, disconnect: 421 },
    actions: ['hold', 'discard', 'tag', 'relay.grant'],
    namesRecipients: false,
    pluginMs: 10_000,
    chainMs: 30_000,
    failureCode: 451,
    failure: 'at-once',
  },
  data: {
    codes: { reject: 554, defer: 451, disconnect: 421 },
    actions: ['hold', 'discard', 'tag', 'expire', 'header.add', 'header.remove', 'route.set'],
    namesRecipients: true,
    pluginMs: 20_000,
    chainMs: 60_000,
    failureCode: 451,
    failure: 'at-once',
  },
  queue: {
    codes: { reject: null, defer: 451, disconnect: null },
    actions: ['hold', 'discard', 'tag', 'expire', 'route.set'],
    namesRecipients: true,
    pluginMs: 10_000,
    chainMs: 30_000,
    failureCode: 451,
    failure: 'at-once',
  },
  deliver: {
    codes: { reject: UNSAID, defer: UNSAID, disconnect: null },
    actions: ['hold', 'route.set'],
    namesRecipients: true,
    pluginMs: 10_000,
    chainMs: 30_000,
    failureCode: 451,
    failure: 'at-once',
  },
  tell: {
    codes: { reject: null, defer: null, disconnect: null },
    actions: [],
    namesRecipients: false,
    pluginMs: 10_000,
    chainMs: 30_000,
    failureCode: 451,
    failure: 'never',
  },
}

/** Whether `name` is a hook. */
export function isHookName(name: string): name is HookName {
  return (HOOK_NAMES as readonly string[]).includes(name)
}
