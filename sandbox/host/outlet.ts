import type { PluginReportTuple } from '../protocol/messages.ts'

/** Where a chain's results go. */
export interface Outlet {
  /** These calls are over, and each has these reports, none of which is an opinion. */
  quiet(calls: readonly number[], reports: readonly PluginReportTuple[]): void
  reports(call: number, reports: readonly PluginReportTuple[]): void
  effect(call: number, effect: number, plugin: number, method: string, args: unknown): void
  log(call: number, plugin: number, level: string, text: string, fields: unknown): void
  /** Called before stays in an isolate: what a death from here on is blamed on. `call` 0: one of many. */
  entering(plugin: number, call: number): void
  /** Whether the worker has heard nothing for so long that it should. `now`: of performance.now(). */
  isOverdue(now: number): boolean
  /** What was handed over goes out now. */
  speak(): void
}
