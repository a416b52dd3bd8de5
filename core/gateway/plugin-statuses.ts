/** What each plugin is, and did so far. */
import type { Panel } from '../../sandbox/panel.ts'
import type { PluginStatus } from '../admin/control.ts'

export function pluginStatuses({ plugins, usage }: Panel): readonly PluginStatus[] {
  return plugins.map(({ identity, manifest, source, sentences }) => {
    const used = usage.get(identity.name)
    const calls = used?.calls ?? 0
    return {
      name: identity.name,
      version: identity.version,
      build: identity.build,
      source,
      onError: identity.onError,
      hooks: manifest.hooks,
      permissions: sentences,
      calls,
      refusals: used?.refusals ?? 0,
      faults: used?.faults ?? 0,
      meanCpuMicros: calls === 0 ? 0 : Math.round((used?.cpuMicros ?? 0) / calls),
    }
  })
}
