/** What postern.lock says of a plugin: whether this very code was approved, and for which permissions. */
import type { ApprovedPlugin, PluginLock } from '../config/plugin-lock.ts'
import type { Problem } from '../config/problem.ts'
import type { CompiledPlugin } from './compile.ts'
import type { Manifest } from './manifest.ts'
import { type Asked, beyond, parsePermissions, permissionSentences } from './permissions.ts'
import { shownPath } from './source-problem.ts'

/** Whoever looks at a plugin sees it with all it asks for; it is asked about no mail. */
export const WHATEVER_IT_ASKS = 'whatever-it-asks'

export interface Approved extends Pick<ApprovedPlugin, 'name' | 'hooks'> {
  readonly permissions: Asked
}

/** What a plugin was approved for; null: nothing has to be approved, the grants of the configuration count. */
export type Approval = Approved | typeof WHATEVER_IT_ASKS | null

/** @param place of the entry in the configuration */
export function approvalOf(lock: PluginLock, compiled: CompiledPlugin, place: string): Approved | Problem {
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
  const { name, hooks } = approved
  if (typeof permissions !== 'string') return { name, hooks, permissions }
  const message = `What was approved for the plugin "${approved.name}" cannot be read: ${permissions}.`
  return { code: 'P2010', place: lock.file, message, remedy }
}

/** The problem of a plugin that asks for more than was approved, or says it is another; null when it does not. */
export function beyondApproval(
  { name, hooks, permissions }: Manifest,
  approved: Approved,
  compiled: CompiledPlugin,
  place: string,
): Problem | null {
  const problem = (message: string): Problem => ({
    code: 'P2013',
    place,
    message,
    remedy: howToApprove(compiled),
  })
  const { source } = compiled
  if (name !== approved.name)
    return problem(`The plugin ${source} is called "${name}" and was approved as "${approved.name}".`)
  const hooksMore = hooks.filter((hook) => approved.hooks?.includes(hook) === false)
  if (hooksMore.length > 0)
    return problem(`The plugin ${source} has hooks that were not approved: ${hooksMore.join(', ')}.`)
  const more = permissionSentences(beyond(permissions, approved.permissions))
  if (more.length === 0) return null
  return problem(`The plugin ${source} asks for more than was approved: it ${more.join('; it ')}.`)
}

function howToApprove({ source }: CompiledPlugin): string {
  return `look at it with "postern plugin review ${source}", then approve it with "postern plugin approve ${source}"`
}
