/** The port to the plugins: whom to ask, and what came of it. The sandbox implements it. */
import type { Answer, Fault } from '../mail/answer.ts'
import type { HookEvents, HookName, MessageReader } from '../mail/hook-events.ts'

/** What a failing plugin means for the mail it was asked about. */
export const ON_ERROR = ['defer', 'skip', 'hold'] as const
export type OnError = (typeof ON_ERROR)[number]

/** One configured plugin, as every decision names it. */
export interface PluginIdentity {
  readonly name: string
  readonly version: string
  /** `sha256:` and 12 characters of the code that answered. */
  readonly build: string
  readonly onError: OnError
}

/** What one plugin said, or how it failed. Checked against its permissions already. */
export interface PluginReport {
  readonly plugin: PluginIdentity
  readonly answer: Answer | null
  readonly fault: Fault | null
  /** Time from asking to the answer, in microseconds. */
  readonly wallMicros: number
  /** CPU time the plugin used, in microseconds; 0 when unknown. */
  readonly cpuMicros: number
}

export interface PluginCall<H extends HookName = HookName> {
  readonly hook: H
  readonly event: HookEvents[H]
  readonly message: MessageReader | null
  readonly session: string
  /** Wall time left for all of them, in milliseconds. */
  readonly chainMs: number
}

export interface PluginPanel {
  /** Plugins that have this hook, in the order of asking. */
  subscribers(hook: HookName): readonly PluginIdentity[]
  /**
   * Asks subscribers one after the other, from number `from` on, until one refuses or fails or all were asked.
   * Never rejects: whatever goes wrong is a report with a fault.
   */
  ask<H extends HookName>(call: PluginCall<H>, from: number): Promise<readonly PluginReport[]>
  /** Whether somebody who is asked at `auth` may see credentials, and so can tell what a token is worth. */
  readonly takesTokens: boolean
  /** Whether mail of this client network has brought plugins down so often of late that it is to be sent away. */
  isPenalized(network: string): boolean
}
