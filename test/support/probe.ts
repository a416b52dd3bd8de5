/** A plugin that uses one tool and says what came of it: what a test of a capability asks through the whole border. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createTestHost, type TestHost, type TestHostOptions } from '../../sandbox/testing.ts'
import { TemporaryFolder } from './temporary-folder.ts'

export interface ProbeOptions extends Omit<TestHostOptions, 'file'> {
  readonly permissions?: Readonly<Record<string, unknown>>
  readonly name?: string
}

/** What a use of a tool came to: its value, or the name and message of the error. */
export type ProbeResult = { readonly value: unknown } | { readonly name: string; readonly message: string }

export interface Probe extends TestHost {
  /** Uses a tool at `rcpt`, or `data` where a message is given. @param use JavaScript, with `tools` and `event` */
  use(use: string, message?: string): Promise<ProbeResult>
}

/** The folder is the test's. Each use loads nothing anew: the code stands in the recipient's address. */
export async function probe(folder: string, options: ProbeOptions, uses: readonly string[]): Promise<Probe> {
  const { permissions = {}, name = 'probe', ...rest } = options
  const file = join(folder, `${name}.ts`)
  const cases = uses.map((use, index) => `  async (event, tools) => (${use}), // ${index}`).join('\n')
  writeFileSync(file, source(name, permissions, cases))
  const host = await createTestHost({ file, ...rest })
  return {
    ...host,
    use: async (use, message) => {
      const index = uses.indexOf(use)
      if (index < 0) throw new Error(`the probe does not know: ${use}`)
      const tags = [{ plugin: 'test', name: 'use', value: String(index) }]
      const said =
        message === undefined
          ? await host.rcpt({ to: 'anna@example.test', tags })
          : await host.data(message, {}, tags)
      if (said.fault !== null) throw new Error(`${said.fault.kind}: ${said.fault.message}`)
      return JSON.parse(said.actions.map((action) => ('value' in action ? action.value : '')).join(''))
    },
  }
}

/** One use by a plugin made for it: what it came to, and what was sent meanwhile. */
export async function used(
  use: string,
  options: ProbeOptions,
  message?: string,
): Promise<Pick<Probe, 'requests' | 'exchanges'> & { readonly result: ProbeResult }> {
  await using folder = await TemporaryFolder.make()
  const plugin = await probe(folder.path, options, [use])
  const result = await plugin.use(use, message)
  await plugin.close()
  return { result, requests: plugin.requests, exchanges: plugin.exchanges }
}

/** A use that is refused, and what it says as `name: message`. */
export type RefusedUse = readonly [what: string, use: string, says: RegExp]

/** Fails unless each of these uses is refused with its own words. */
export async function assertRefused(refused: readonly RefusedUse[], options: ProbeOptions): Promise<void> {
  await using folder = await TemporaryFolder.make()
  const plugin = await probe(
    folder.path,
    options,
    refused.map(([, use]) => use),
  )
  for (const [what, use, says] of refused) {
    const result = await plugin.use(use)
    assert.ok('name' in result, what)
    assert.match(`${result.name}: ${result.message}`, says, what)
  }
  await plugin.close()
}

/** Tags carry the result: several of them when it is long. */
function source(name: string, permissions: object, cases: string): string {
  return `
import { definePlugin } from 'postern'
const uses = [
${cases}
]
async function run(event, tools) {
  const index = Number(event.transaction.tags[0].value)
  let result
  try {
    const value = await uses[index](event, tools)
    result = { value: value === undefined ? null : value }
  } catch (error) {
    result = { name: error.name, message: error.message }
  }
  const json = JSON.stringify(result)
  for (let at = 0, part = 0; at < json.length; at += 150, part++) tools.tag('part.' + part, json.slice(at, at + 150))
}
export default definePlugin({
  name: '${name}', version: '1.0.0', api: 1,
  permissions: ${JSON.stringify(permissions)},
  hooks: { rcpt: run, data: run },
})
`
}
