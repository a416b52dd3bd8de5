/** What postern.lock says of a plugin: whether this very code was approved, and for which permissions. */
import type { PluginLock } from '../config/plugin-lock.ts'
import type { Problem } from '../config/problem.ts'
import type { CompiledPlugin } from './compile.ts'
import { type Asked, beyond, parsePermissions, permissionSentences } from './permissions.ts'
import { shownPath } from './source-problem.ts'

/** Whoever looks at a plugin sees it with all it asks for; it is asked about no mail. */
export const WHATEVER_IT_ASKS = 'whatever-it-asks'

/** What a plugin was approved for; null: nothing has to be approved, the grants of the configuration count. */
export type Approval = Asked | typeof WHATEVER_IT_ASKS | null

/** @param place of the entry in the configuration */
export function approvalOf(lock: PluginLock, compiled: CompiledPlugin, place: string): Asked | Problem {
  const approved = lock.plugins.find(({ path }) => path === compiled.file)
  const remedy = howToApprove(compiled)
  if (approved === undefined) {
    const message = `The plugin ${compiled.source} is not approved: ${shownPath(lock.file)} does not name it.`
    return { code: 'P2011', place, message, remedy }
  }
  if (approved.build !== compiled.digest) {
    const message = `The plugin ${compiled.source} is not what was approved: its build is ${compiled.digest}, approved on ${approved.approvedAt} was ${approved.build}.`
    return { code: 'P2012', place, message, remedy }
  }
  const permissions = parsePermissions(approved.permissions)
  if (typeof permissions !== 'string') return permissions
  const message = `What was approved for the plugin "${approved.name}" cannot be read: ${permissions}.`
  return { code: 'P2010', place: lock.file, message, remedy }
}

/** The problem of a plugin that asks for more than was approved; null when it does not. */
export function beyondApproval(
  asked: Asked,
  approved: Asked,
  compiled: CompiledPlugin,
  place: string,
): Problem | null {
  const more = permissionSentences(beyond(asked, approved))
  if (more.length === 0) return null
  return {
    code: 'P2013',
    place,
    message: `The plugin ${compiled.source} asks for more than was approved: it ${more.join('; it ')}.`,
    remedy: howToApprove(compiled),
  }
}

function howToApprove({ source }: CompiledPlugin): string {
  return `look at it with "postern plugin review ${source}", then approve it with "postern plugin approve ${source}"`
}
