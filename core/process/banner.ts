/** What a healthy start says: what listens where, which plugins are asked in which order, and what to try first. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Config, ListenerConfig } from '../../config/config.ts'
import type { GatewaySummary } from './messages.ts'

const PACKAGE = join(import.meta.dirname, '..', '..', 'package.json')

/** Version of this gateway. */
export const POSTERN_VERSION: string = (JSON.parse(readFileSync(PACKAGE, 'utf8')) as { version: string })
  .version

export function formatBanner(
  config: Config,
  listeners: readonly ListenerConfig[],
  { plugins, queued, missingHardening }: GatewaySummary,
): string {
  const lines = [`postern ${POSTERN_VERSION}   node ${process.versions.node}   ${config.file}`, '']
  for (const { host, port, role } of listeners)
    lines.push(row('Listens', `${hostPort(host, port)}   ${role}`))
  if (config.admin.http !== null)
    lines.push(row('Health', `http://${hostPort(config.admin.http.host, config.admin.http.port)}/health`))
  lines.push(row('Control', config.admin.socket), '')
  for (const [domain, { deliver }] of Object.entries(config.domains)) lines.push(row(domain, deliver))
  lines.push(
    row(
      'elsewhere',
      config.outbound.route === null ? 'nowhere: no outbound.route is set' : config.outbound.route,
    ),
  )
  lines.push(row('Relays for', relayText(config)), '')
  if (plugins.length === 0) lines.push(row('Plugins', 'none'))
  for (const [index, { name, version, source, onError, hooks }] of plugins.entries())
    lines.push(
      row(
        index === 0 ? 'Plugins' : '',
        `${name.padEnd(16)} ${version.padEnd(8)} on error: ${onError.padEnd(6)} ${hooks.join(' ')}   ${source}`,
      ),
    )
  const critical = plugins.flatMap(({ name, source, permissions }) =>
    source === 'bundled' ? [] : permissions.map((sentence) => `${name} ${sentence}`),
  )
  for (const sentence of critical) lines.push(row('', sentence))
  if (
    !plugins.some(({ permissions }) =>
      permissions.some((sentence) => sentence.includes('send mail anywhere')),
    )
  )
    lines.push(
      '',
      'No plugin may grant relay permission: every recipient will be refused. Add  - name: relay-control',
    )
  if (missingHardening.length > 0)
    lines.push('', `This system does not offer: ${missingHardening.join(', ')}`)
  if (queued > 0) lines.push('', `${queued} messages taken over from the queue`)
  return `${[...lines, '', 'First message:  npm run -s postern -- send', 'Ready.'].join('\n')}\n`
}

function relayText({ relay }: Config): string {
  if (relay.networks.length === 0) return 'nobody without sign-in'
  return `${relay.networks.join(', ')} (trusted: may send anywhere)`
}

function row(name: string, text: string): string {
  return `  ${name.padEnd(14)} ${text}`
}

function hostPort(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
