/** What keeps a plugin from loading: one message with place and remedy. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { PluginConfig } from '../../config/config.ts'
import { bundledPlugin, fixturePlugin, problemsOf } from '../support/sandbox.ts'

const folder = mkdtempSync(join(tmpdir(), 'postern-test-'))
after(() => rmSync(folder, { recursive: true }))

let made = 0
const plugin = (text: string, more: Partial<PluginConfig> = {}): PluginConfig => {
  const path = join(folder, `${++made}-mine.ts`)
  writeFileSync(path, text)
  return fixturePlugin('mine', { source: { kind: 'file', path }, ...more })
}
const shape = (more: string): string =>
  `import { definePlugin } from 'postern'\nexport default definePlugin({\n  name: 'mine', version: '1.0.0', api: 1,\n  ${more}\n})\n`

const cases: readonly (readonly [string, PluginConfig, readonly RegExp[]])[] = [
  [
    'a name nobody ships',
    bundledPlugin('relay-contrl'),
    [
      /^P1001 {2}test\.yaml:2:3 {2}There is no plugin called "relay-contrl"\./,
      /did you mean "relay-control"\?/,
    ],
  ],
  [
    'a file that is not there',
    fixturePlugin('absent'),
    [/^P1002 {2}test\.yaml:1:3 .*absent\.ts cannot be found/],
  ],
  [
    'an enum',
    plugin('enum Level { Low }\nexport default {}\n'),
    [
      /^P1005 {2}\S*mine\.ts:1:1 {2}TypeScript enum cannot be used/,
      / {3}1 \| enum Level/,
      /erasable TypeScript/,
    ],
  ],
  [
    'a syntax error',
    plugin('const a = 1\nconst b = = 2\n'),
    [
      /^P1005 {2}\S*mine\.ts:2:11 {2}Syntax error: Expression expected\./,
      / {3}2 \| const b = = 2\n {5}\| {11}\^/,
    ],
  ],
  [
    'an import of Node',
    plugin("import fs from 'node:fs'\nexport default fs\n"),
    [
      /^P1006 {2}\S*mine\.ts:1:16 {2}Plugins cannot import "node:fs"\./,
      /imports only "postern", files beside it/,
    ],
  ],
  [
    'a hook with a wrong name',
    plugin(shape('hooks: { recipient() {}, rcp() {} }')),
    [
      /^P1003 {2}\S*mine\.ts:4:12 {2}There is no hook called "recipient"\./,
      /connect, helo, auth, mail, rcpt|Hooks: connect/,
    ],
  ],
  ['no default export', plugin('export const nothing = 1\n'), [/^P1009 .*must export default definePlugin/]],
  [
    'an exception while loading',
    plugin(`${shape('hooks: { rcpt() {} }')}throw new Error('not today')\n`),
    [/^P1009 {2}\S*mine\.ts:6:7 .*not today/],
  ],
  ['an endless loop while loading', plugin('for (;;) {}\n'), [/^P1009 .*timed out/]],
  [
    'an unknown permission',
    plugin(shape("permissions: { 'relay.grand': true } as never, hooks: { rcpt() {} }")),
    [/^P1003 .*There is no permission called "relay\.grand"/],
  ],
  [
    'a critical permission nobody granted',
    plugin(shape("permissions: { 'relay.grant': true }, hooks: { rcpt() {} }")),
    [
      /^P2001 {2}test\.yaml:1:3 .*"mine" asks for what only you can grant: it may let anyone send mail anywhere/,
      /grant: \{ "relay\.grant": true \}/,
    ],
  ],
  [
    'a setting the plugin does not have',
    bundledPlugin('greylist', { config: { delay: 5 } }),
    [/^P1008 {2}test\.yaml:2:3 {2}"greylist": config: "delay" is not a setting; there are "delaySeconds"/],
  ],
  [
    'a setting of the wrong type',
    bundledPlugin('greylist', { config: { delaySeconds: 'soon' } }),
    [/config\.delaySeconds: expected an integer, found "soon"/],
  ],
  [
    'a setting out of range',
    bundledPlugin('greylist', { config: { delaySeconds: 0 } }),
    [/config\.delaySeconds: expected at least 1, found 0/],
  ],
]

for (const [name, entry, says] of cases) {
  test(`${name} is told with its place and a remedy`, async () => {
    const text = await problemsOf([entry])
    for (const pattern of says) assert.match(text, pattern)
    assert.match(text, /\nFix: /)
    assert.doesNotMatch(text, /\n {4}at /)
  })
}

test('all problems are told, not only the first', async () => {
  const text = await problemsOf([
    bundledPlugin('nothing-like-it'),
    bundledPlugin('greylist', { config: { delaySeconds: 0 } }),
  ])
  assert.match(text, /P1001[^]*P1008/)
})

test('a critical permission that was granted lets the plugin load', async () => {
  const granted = plugin(shape("permissions: { 'relay.grant': true }, hooks: { rcpt() {} }"), {
    grant: { 'relay.grant': true },
  })
  assert.equal(await problemsOf([granted]), '')
})

test('what ends the plughost while it is loaded fails alone: those that shared it are loaded again', async () => {
  const well = (name: string): PluginConfig =>
    plugin(shape('hooks: { rcpt() {} }').replace("name: 'mine'", `name: '${name}'`), { process: 'shared' })
  const deadly = (name: string): PluginConfig =>
    plugin(
      `${shape('hooks: { rcpt() {} }').replace("name: 'mine'", `name: '${name}'`)}new Array(2 ** 27).fill(0)\n`,
      {
        process: 'shared',
      },
    )
  const text = await problemsOf([
    well('first'),
    deadly('second'),
    well('third'),
    deadly('fourth'),
    well('fifth'),
  ])
  const told = text.match(/^P\d+ .*/gm) ?? []
  assert.equal(told.length, 2, text)
  for (const line of told) assert.match(line, /^P1009 .* does not load: while loading it, the plughost died/)
})
