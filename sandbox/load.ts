/** Loading the plugins: evaluated in their isolates, their manifests and permissions checked. */
import { isDeepStrictEqual } from 'node:util'
import type { PluginConfig } from '../config/config.ts'
import type { Problem } from '../config/problem.ts'
import type { PluginIdentity } from '../core/hooks/plugin-panel.ts'
import { type Approval, beyondApproval, WHATEVER_IT_ASKS } from './approval.ts'
import { AuthorStacks, authorPlace } from './author-place.ts'
import type { Bundle } from './bundle.ts'
import type { CompiledPlugin } from './compile.ts'
import type { Domains } from './domains.ts'
import { KnownManifests } from './known-manifests.ts'
import { isManifestFault, type Manifest, parseManifest } from './manifest.ts'
import { isAtAddress } from './origin-scope.ts'
import {
  type Asked,
  effectivePermissions,
  missingGrants,
  type PermissionSet,
  parsePermissions,
  permissionSentences,
  permissionsInForce,
} from './permissions.ts'
import { MEMORY_MB, SLICE_MS } from './plugin-quotas.ts'
import type { LoadRequest } from './protocol/messages.ts'
import type { RawFault } from './protocol/parse.ts'
import { problemIn, shownPath } from './source-problem.ts'
import type { BorderSources, PluginSource, SandboxSources } from './sources.ts'
import type { TrustDomain } from './trust-domain.ts'

/** A plugin ready to be asked. */
export interface ReadyPlugin {
  /** Its number at the border. */
  readonly number: number
  /** Where it runs. */
  readonly domain: TrustDomain
  readonly identity: PluginIdentity
  readonly manifest: Manifest
  readonly permissions: PermissionSet
  readonly source: string
  /** Absolute path of its source. */
  readonly file: string
  /** What else is in its code; null: it is one file. */
  readonly bundle: Bundle | null
  /** Makes stack traces the author's. */
  readonly stacks: AuthorStacks
  readonly sentences: readonly string[]
  /** What its isolate held in memory when it was loaded, in octets. */
  readonly heapBytes: number
}

export type Loading = { readonly plugins: readonly ReadyPlugin[] } | { readonly problems: readonly Problem[] }

/** Loads every plugin into its domain, all at once. All problems are told, not only the first. */
export async function loadPlugins(
  { plugins: sources, border }: Omit<SandboxSources, 'tables'>,
  domains: Domains,
  /** Values by name; null: nothing is sent anywhere, so none is needed. */
  secrets: Readonly<Record<string, string>> | null,
  known: KnownManifests = new KnownManifests(),
): Promise<Loading> {
  const problems: Problem[] = []
  const plugins: ReadyPlugin[] = []
  const loading = sources.map((source, index) =>
    loadPlugin(source, index + 1, domains.of(source.entry, index + 1), { border, known }),
  )
  for (const [index, loaded] of (await Promise.all(loading)).entries()) {
    const source = sources[index] as PluginSource
    const missing = 'message' in loaded || secrets === null ? null : missingSecret(source, loaded, secrets)
    if ('message' in loaded) problems.push(loaded)
    else if (missing !== null) problems.push(missing)
    else if (plugins.some(({ identity }) => identity.name === loaded.identity.name))
      problems.push(twice(source.entry, loaded))
    else plugins.push(loaded)
  }
  return problems.length > 0 ? { problems } : { plugins: plugins.toSorted((a, b) => a.number - b.number) }
}

async function loadPlugin(
  { entry, compiled, approval }: PluginSource,
  number: number,
  domain: TrustDomain,
  { border, known }: { readonly border: BorderSources; readonly known: KnownManifests },
): Promise<ReadyPlugin | Problem> {
  const name = entry.source.kind === 'bundled' ? entry.source.name : shownPath(entry.source.path)
  const request: LoadRequest = {
    name,
    file: compiled.file,
    code: compiled.code,
    ...border,
    // Whoever looks at a plugin has no configuration for it.
    config: approval === WHATEVER_IT_ASKS ? null : entry.config,
    memoryMb: MEMORY_MB,
    sliceMs: SLICE_MS,
  }
  const outcome = await domain.load(number, request)
  if ('fault' in outcome) return loadProblem(entry, compiled, outcome.fault)
  const manifest = parseManifest(outcome.manifest)
  if (isManifestFault(manifest)) {
    const word = new RegExp(`\\b${escaped(manifest.word)}\\b`)
    return problemIn('P1003', compiled, word, manifest.message, manifest.remedy)
  }
  if (approval !== null) {
    // What is decided about must be what will be: a second isolate has nothing of the first.
    const isSame = known.isSame(compiled.digest, manifest)
    const again = isSame === null ? await domain.load(number, request) : outcome
    if ('fault' in again) return loadProblem(entry, compiled, again.fault)
    if (isSame === false || !isDeepStrictEqual(manifest, parseManifest(again.manifest)))
      return changing(entry, compiled)
    known.keep(compiled.digest, manifest)
  }
  const granted = grantedBy(approval, entry, compiled, manifest)
  if (granted !== null && 'message' in granted) return granted as Problem
  const named = placesNamed(approval, entry, granted as Asked | null)
  if (named !== null && 'message' in named) return named as Problem
  const permissions = effectivePermissions(
    manifest.permissions,
    granted as Asked | null,
    named as Asked | null,
  )
  domain.keep(number, { request: { ...request, name: manifest.name }, permissions })
  return {
    number,
    domain,
    identity: {
      name: manifest.name,
      version: manifest.version,
      build: compiled.build,
      onError: entry.onError,
    },
    manifest,
    permissions,
    source: compiled.source,
    file: compiled.file,
    bundle: compiled.bundle,
    stacks: new AuthorStacks(compiled),
    sentences: permissionSentences(permissionsInForce(manifest.permissions, granted as Asked | null)),
    heapBytes: outcome.heapBytes,
  }
}

/** A secret it would use and nobody has; whoever only looks at it need not have it. */
function missingSecret(
  { entry, approval }: PluginSource,
  { permissions, identity }: ReadyPlugin,
  secrets: Readonly<Record<string, string>>,
): Problem | null {
  if (approval === WHATEVER_IT_ASKS) return null
  const missing = permissions.secrets.patterns.find((name) => !Object.hasOwn(secrets, name))
  if (missing === undefined) return null
  return {
    code: 'P2015',
    place: entry.place,
    message: `The plugin "${identity.name}" uses the secret "${missing}", which the configuration does not have.`,
    remedy: `add it, as in  secrets: { ${missing}: "\${env:NAME}" }`,
  }
}

/** Decisions name plugins, so each has its name for itself. */
function twice({ place }: PluginConfig, { identity }: ReadyPlugin): Problem {
  const message = `There is a plugin called "${identity.name}" already.`
  return {
    code: 'P1010',
    place,
    message,
    remedy: 'remove one of the entries, or give your copy a name of its own',
  }
}

/** What was approved for it, or else granted. */
function grantedBy(
  approval: Approval,
  entry: PluginConfig,
  compiled: CompiledPlugin,
  manifest: Manifest,
): Asked | Problem | null {
  if (approval === null) return grantOf(entry, manifest.permissions, manifest.name)
  if (approval === WHATEVER_IT_ASKS) return manifest.permissions
  return beyondApproval(manifest, approval, compiled, entry.place) ?? approval.permissions
}

/**
 * What may be at addresses that are not on the Internet. Somebody who approves a plugin sees the names of its places, not
 * where they lead: so that is what the configuration grants, and the addresses that were approved as such.
 */
function placesNamed(approval: Approval, entry: PluginConfig, granted: Asked | null): Asked | Problem | null {
  if (approval === null || approval === WHATEVER_IT_ASKS) return granted
  const grant = parsedGrant(entry)
  if ('message' in grant) return grant
  const named = (name: 'http' | 'tcp'): readonly string[] => {
    const [granted = [], approved = []] = [grant as Asked, approval.permissions].map((one) => one[name])
    return [...(granted as readonly string[]), ...(approved as readonly string[]).filter(isAtAddress)]
  }
  return { http: named('http'), tcp: named('tcp') }
}

function changing({ place }: PluginConfig, { source }: CompiledPlugin): Problem {
  return {
    code: 'P2014',
    place,
    message: `The plugin ${source} declares something else each time it is loaded.`,
    remedy: 'write the manifest down: name, version, hooks and permissions cannot be computed',
  }
}

/** What the administrator granted; null for a shipped plugin, which gets what it asks for. */
function grantOf(entry: PluginConfig, asked: Asked, name: string): Asked | Problem | null {
  if (entry.source.kind === 'bundled') return null
  const parsed = parsedGrant(entry)
  if ('message' in parsed) return parsed
  const granted = parsed as Asked
  const missing = missingGrants(asked, granted)
  if (missing.length === 0) return granted
  const sentences = permissionSentences(Object.fromEntries(missing.map((one) => [one, asked[one]])))
  const grants = missing.map((one) => `"${one}": ${JSON.stringify(asked[one])}`).join(', ')
  return {
    code: 'P2001',
    place: entry.place,
    message: `The plugin "${name}" asks for what only you can grant: it ${sentences.map((line) => line.replace('critical: ', '')).join('; it ')}.`,
    remedy: `if that is what you want, add  grant: { ${grants} }  to this entry`,
  }
}

function parsedGrant({ grant, place }: PluginConfig): Asked | Problem {
  const parsed = parsePermissions(grant)
  if (typeof parsed !== 'string') return parsed
  return {
    code: 'P2002',
    place,
    message: `The grant is not usable: ${parsed}.`,
    remedy: 'see docs/plugins.md',
  }
}

/** A fault of loading as a problem at the author's line or the administrator's entry. */
function loadProblem({ place, source }: PluginConfig, compiled: CompiledPlugin, fault: RawFault): Problem {
  const name = source.kind === 'bundled' ? source.name : shownPath(source.path)
  if (fault.kind === 'configuration') {
    const remedy =
      source.kind === 'bundled'
        ? `see plugins/${name}/README.md for its settings`
        : 'compare it with the schema under "config" in the plugin'
    return { code: 'P1008', place, message: `"${name}": ${fault.message}.`, remedy }
  }
  const specifier = /plugins cannot import "([^"]*)"/.exec(fault.message)?.[1]
  if (specifier !== undefined) {
    const word = new RegExp(`['"]${escaped(specifier)}['"]`)
    const remedy =
      'a plugin imports only "postern", files beside it and packages: tables come by lookup, kept values by kv'
    return problemIn('P1006', compiled, word, `Plugins cannot import "${specifier}".`, remedy)
  }
  const message = `The plugin "${name}" does not load: ${fault.message.replace(/\.$/, '')}.`
  const remedy = 'mend the plugin; nothing of it runs before the hooks do'
  const at = authorPlace({ stack: new AuthorStacks(compiled).of(fault.stack) }, compiled)
  if (at.place === '') return problemIn('P1009', compiled, null, message, remedy)
  return { code: 'P1009', place: at.place, message, remedy, frame: at.frame.join('\n') }
}

/** As the source of a regular expression. */
function escaped(text: string): string {
  return text.replace(/\W/g, '\\$&')
}
