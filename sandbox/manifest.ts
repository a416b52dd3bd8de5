/** The manifest: what a plugin declares when it is loaded, read field by field. */

import { closest } from '../config/suggestion.ts'
import { HOOK_NAMES, type HookName } from '../core/mail/hook-events.ts'
import { type Asked, parsePermissions } from './permissions.ts'

export interface Manifest {
  readonly name: string
  readonly version: string
  readonly hooks: readonly HookName[]
  readonly permissions: Asked
  /** Schema of its configuration; the plughost has checked it. */
  readonly config: unknown
}

const NAME = /^[a-z][a-z0-9-]{0,39}$/
const VERSION = /^\d{1,9}\.\d{1,9}\.\d{1,9}(?:-[0-9A-Za-z.-]{1,40})?$/
/** The version of the author's interface this gateway speaks. */
const API = 1
/** Of what the plugin wrote, in a message to whoever starts the gateway. */
const MAX_MESSAGE_CHARS = 1_000
const MAX_WORD_CHARS = 60
/** A schema of 8 levels, and what its defaults have below that. */
const MAX_CONFIG_LEVELS = 64

/** What is wrong with a manifest, and how to mend it. */
export interface ManifestFault {
  readonly message: string
  readonly remedy: string
  /** Word to look for in the source when a place is wanted. */
  readonly word: string
}

export function parseManifest(value: unknown): Manifest | ManifestFault {
  if (typeof value !== 'object' || value === null)
    return fault('The manifest is no object.', 'export default definePlugin({ … })', 'export')
  const { name, version, api, hooks, permissions, config } = value as Record<string, unknown>
  if (typeof name !== 'string' || !NAME.test(name))
    return fault(
      `The plugin's name ${JSON.stringify(name)?.slice(0, MAX_WORD_CHARS) ?? 'is missing and'} is not usable.`,
      "name it with lower-case letters, digits and hyphens, as in name: 'my-filter'",
      'name',
    )
  if (typeof version !== 'string' || !VERSION.test(version))
    return fault('The plugin needs a version.', "write one as in version: '1.0.0'", 'version')
  if (api !== API)
    return fault(`This gateway speaks version ${API} of the plugin interface.`, `write api: ${API}`, 'api')
  const known = parseHooks(hooks)
  if (!Array.isArray(known)) return known as ManifestFault
  const asked = parsePermissions(permissions)
  if (typeof asked === 'string') return fault(`${capital(asked)}.`, 'see docs/plugins.md', 'permissions')
  if (!isWithin(config, MAX_CONFIG_LEVELS))
    return fault(
      'The schema of the configuration is nested too deep.',
      'write it with at most 8 levels',
      'config',
    )
  return { name, version, hooks: known as readonly HookName[], permissions: asked, config }
}

/** Whether a value has no more than so many levels; what works on it may go down into each. */
function isWithin(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  return levels > 0 && Object.values(value).every((inner) => isWithin(inner, levels - 1))
}

/** Whether parsing failed. */
export function isManifestFault(value: Manifest | ManifestFault): value is ManifestFault {
  return 'remedy' in value
}

function parseHooks(hooks: unknown): readonly HookName[] | ManifestFault {
  if (!Array.isArray(hooks) || hooks.length === 0)
    return fault('The plugin has no hook.', `give it one of ${HOOK_NAMES.join(', ')}`, 'hooks')
  for (const hook of hooks as readonly unknown[]) {
    if ((HOOK_NAMES as readonly unknown[]).includes(hook)) continue
    const meant = closest(String(hook), HOOK_NAMES)
    const remedy =
      meant === null
        ? `hooks are ${HOOK_NAMES.join(', ')}`
        : `did you mean "${meant}"? Hooks: ${HOOK_NAMES.join(' ')}`
    return fault(`There is no hook called "${String(hook).slice(0, 60)}".`, remedy, String(hook))
  }
  return hooks as readonly HookName[]
}

/** What the plugin calls itself and its hooks may be of any length. */
function fault(message: string, remedy: string, word: string): ManifestFault {
  return { message: message.slice(0, MAX_MESSAGE_CHARS), remedy, word: word.slice(0, MAX_WORD_CHARS) }
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}
