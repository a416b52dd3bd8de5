/** What a healthy start says: what listens where, which plugins are asked in which order, and what to try first. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Config, ListenerConfig } from '../../config/config.ts'
import type { PluginStatus } from '../admin/control.ts'
import type { GatewaySummary } from './messages.ts'

const PACKAGE = join(import.meta.dirname, '..', '..')
const DEFAULT_CONFIG = join(PACKAGE, 'config', 'postern.yaml')
const TLS_WORDS = { implicit: ', TLS', starttls: ', STARTTLS', off: '' } as const
const GRANTS_RELAYING = 'may let anyone send mail anywhere'

/** Version of this gateway. */
export const POSTERN_VERSION = versionIn(readFileSync(join(PACKAGE, 'package.json'), 'utf8'))

export interface Banner {
  readonly config: Config
  readonly listeners: readonly ListenerConfig[]
  /** `host:port` of health and metrics, null without them. */
  readonly health: string | null
  readonly summary: GatewaySummary
}

export function formatBanner({ config, listeners, health, summary }: Banner): string {
  const sections = [
    [`postern ${POSTERN_VERSION}   node ${process.versions.node}   ${config.file}`],
    [
      ...listeners.map(({ host, port, role, tls }) =>
        row('Listens', `${hostPort(host, port)}   ${role}${TLS_WORDS[tls]}`),
      ),
      ...certificateLines(config),
      ...(health === null ? [] : [row('Health', `http://${health}/health`)]),
      row('Control', config.admin.socket),
    ],
    [
      ...Object.entries(config.domains).map(([domain, { deliver }]) => row(domain, deliver)),
      row('elsewhere', outboundText(config)),
      row('Relays for', relayText(config)),
    ],
    pluginLines(summary.plugins),
    warnings(config, summary),
    [`First message:  npm run -s postern -- send${sendOptions(config)}`, 'Ready.'],
  ]
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`
}

/** A certificate of our own is said: no client can know it by itself. */
function certificateLines({ tls }: Config): readonly string[] {
  if (tls === null) return []
  const text = tls.isGenerated
    ? `${tls.certificate}   (generated: clients cannot verify it; name your own under "tls")`
    : tls.certificate
  return [row('Certificate', text)]
}

/** In the order of asking; what a plugin of the user's may do is said with it. */
function pluginLines(plugins: readonly PluginStatus[]): readonly string[] {
  if (plugins.length === 0) return [row('Plugins', 'none')]
  return plugins.flatMap(({ name, version, source, onError, hooks, permissions }, index) => {
    const what = `${name.padEnd(16)} ${version.padEnd(8)} on error: ${onError.padEnd(6)} ${hooks.join(' ')}   ${source}`
    const may = source === 'bundled' ? [] : permissions.map((sentence) => row('', `  ${sentence}`))
    return [row(index === 0 ? 'Plugins' : '', what), ...may]
  })
}

/** Where people are to sign in, and nobody could say who they are. */
function hasNobodyToAsk({ listeners, users }: Config, plugins: readonly PluginStatus[]): boolean {
  const isForPeople = listeners.some(({ role }) => role === 'submission')
  return isForPeople && users === null && !plugins.some(({ hooks }) => hooks.includes('auth'))
}

function warnings(config: Config, { plugins, queued, missingHardening }: GatewaySummary): readonly string[] {
  const mayRelay = plugins.some(({ permissions }) =>
    permissions.some((line) => line.includes(GRANTS_RELAYING)),
  )
  return [
    ...(mayRelay
      ? []
      : [
          'No plugin may grant relaying, so every recipient will be refused. Add to plugins:  - name: relay-control',
        ]),
    ...(hasNobodyToAsk(config, plugins)
      ? ['Nobody can sign in at the submission listener. Name a file of users:  users: ./users']
      : []),
    ...(missingHardening.length === 0 ? [] : [`This system does not offer: ${missingHardening.join(', ')}`]),
    ...(queued === 0 ? [] : [`${queued} ${queued === 1 ? 'message' : 'messages'} taken over from the queue`]),
  ]
}

function outboundText({ outbound }: Config): string {
  if (outbound.route === 'mx') return 'mx   (the mail exchangers of each domain)'
  return outbound.route ?? 'nowhere: no outbound.route is set'
}

function relayText({ relay }: Config): string {
  if (relay.networks.length === 0) return 'nobody'
  return `${relay.networks.join(', ')}   (trusted: may send anywhere)`
}

function sendOptions({ file }: Config): string {
  return file === DEFAULT_CONFIG ? '' : ` --config ${file}`
}

function row(name: string, text: string): string {
  return `  ${name.padEnd(14)} ${text}`
}

function hostPort(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

function versionIn(packageJson: string): string {
  return (JSON.parse(packageJson) as { version: string }).version
}
