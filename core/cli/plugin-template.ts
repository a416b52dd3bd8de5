/** The plugin that `postern plugin new` writes: it works as it stands, with a test, and is meant to be changed. */

/** A file of the new plugin, its path from the plugin's folder. */
export interface TemplateFile {
  readonly path: string
  readonly text: string
}

/** @param name the plugin's name, checked for form */
export function pluginTemplate(name: string): readonly TemplateFile[] {
  return [
    { path: 'index.ts', text: source(name) },
    { path: 'index.test.ts', text: testSource() },
    { path: 'tsconfig.json', text: TSCONFIG },
    { path: 'README.md', text: readme(name) },
  ]
}

function source(name: string): string {
  return `/** Refuses mail for addresses that nobody reads. */
import { definePlugin, reject } from 'postern'

export default definePlugin({
  name: '${name}',
  version: '0.1.0',
  api: 1,
  permissions: { refuse: ['reject'] },
  config: {
    type: 'object',
    properties: {
      unread: { type: 'array', items: { type: 'string' }, default: ['noreply'], description: 'Local parts nobody reads' },
    },
  },
  hooks: {
    rcpt({ localPart, recipient }, _tools, { unread }) {
      if (!unread.includes(localPart.toLowerCase())) return undefined
      return reject('5.1.1', 'Nobody reads this address', { code: 'UNREAD', facts: { recipient } })
    },
  },
})
`
}

function testSource(): string {
  return `import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createTestHost, type TestHost } from 'postern/testing'

let host: TestHost
before(async () => {
  host = await createTestHost({ file: import.meta.resolve('./index.ts'), config: { unread: ['noreply', 'robot'] } })
})
after(() => host.close())

test('an address nobody reads is refused, whatever its letter case', async () => {
  const { refusal } = await host.rcpt({ to: 'Robot@example.test' })
  assert.equal(refusal?.code, 'UNREAD')
  assert.equal(refusal?.status, '5.1.1')
})

test('there is no opinion on any other address', async () => {
  const { refusal, fault } = await host.rcpt({ to: 'anna@example.test' })
  assert.equal(refusal, null)
  assert.equal(fault, null)
})
`
}

const TSCONFIG = `{
  "compilerOptions": {
    "target": "esnext",
    "lib": ["esnext"],
    "module": "preserve",
    "moduleResolution": "bundler",
    "types": [],
    "noEmit": true,
    "strict": true,
    "erasableSyntaxOnly": true,
    "verbatimModuleSyntax": true,
    "allowImportingTsExtensions": true,
    "skipLibCheck": true
  },
  "files": ["index.ts"]
}
`

function readme(name: string): string {
  return `# ${name}

Refuses mail for addresses that nobody reads.

    plugins:
      - path: ./plugins/${name}
        config: { unread: [noreply] }

Check it with \`postern plugin check\`, run its test with \`postern plugin test\`, and find what it decided with
\`postern explain\`.
`
}
