/** What a plugin does to the server it runs in: the same deed as a plugin of Postern's and as one of Haraka's. */

export interface Deed {
  readonly name: string
  readonly what: string
  /** Where the plugin does it. */
  readonly hook: 'mail' | 'data'
  /** Body of a hook of Postern's: `kv` and `session` are there, what it returns is the answer. */
  readonly postern: string
  /** Body of a hook of Haraka's: `next` and `connection` are there. */
  readonly haraka: string
}

const LEAK = (what: string): Pick<Deed, 'postern' | 'haraka'> => ({
  postern: `let seen; try { seen = String(${what}) } catch (error) { seen = 'refused ' + error.name } return reject('5.7.1', 'leak: ' + seen.slice(0, 60).replace(/[^ -~]/g, ' '))`,
  haraka: `next(DENY, 'leak: ' + String(${what}).slice(0, 60).replace(/[^ -~]/g, ' '))`,
})

export const DEEDS: readonly Deed[] = [
  {
    name: 'a',
    what: 'throws in MAIL',
    hook: 'mail',
    postern: "throw new Error('a bug')",
    haraka: "throw new Error('a bug')",
  },
  {
    name: 'a2',
    what: 'throws when the message is there',
    hook: 'data',
    postern: "throw new Error('a bug')",
    haraka: "throw new Error('a bug')",
  },
  {
    name: 'a3',
    what: 'throws later, behind its answer',
    hook: 'mail',
    postern: "void Promise.resolve().then(() => { throw new Error('later') })",
    haraka: "setTimeout(() => { throw new Error('later') }, 10); next()",
  },
  {
    name: 'a4',
    what: 'rejects in an async hook',
    hook: 'mail',
    postern: "return Promise.reject(new Error('rejected'))",
    haraka: "return Promise.reject(new Error('rejected'))",
  },
  {
    name: 'b',
    what: 'is busy for ten seconds',
    hook: 'mail',
    postern: 'for (let i = 0; ; i++) if (i < 0) return',
    haraka: 'const end = Date.now() + 10000; while (Date.now() < end); next()',
  },
  {
    name: 'c',
    what: 'fills the heap',
    hook: 'mail',
    postern: 'const all = []; for (;;) all.push({ some: [1, 2, 3] })',
    haraka: 'const all = []; for (;;) all.push({ some: [1, 2, 3] })',
  },
  {
    name: 'c2',
    what: 'holds 600 MB of octets',
    hook: 'mail',
    postern:
      'globalThis.held = []; for (let i = 0; i < 600; i++) globalThis.held.push(new Uint8Array(1048576).fill(1))',
    haraka:
      'global.held = []; for (let i = 0; i < 600; i++) global.held.push(Buffer.alloc(1048576, 1)); next()',
  },
  {
    name: 'd',
    what: 'ends the process with 1',
    hook: 'mail',
    postern: 'process.exit(1)',
    haraka: 'process.exit(1)',
  },
  {
    name: 'd2',
    what: 'ends the process with 0',
    hook: 'mail',
    postern: 'process.exit(0)',
    haraka: 'process.exit(0)',
  },
  {
    name: 'e',
    what: 'reads a file',
    hook: 'mail',
    ...LEAK("require('fs').readFileSync('/etc/passwd', 'utf8')"),
  },
  { name: 'e2', what: 'reads the environment', hook: 'mail', ...LEAK('process.env.PATH') },
  {
    name: 'e3',
    what: 'runs a program',
    hook: 'mail',
    ...LEAK("require('child_process').execSync('id')"),
  },
  {
    name: 'e4',
    what: 'reads and replaces its neighbour',
    hook: 'mail',
    postern:
      "const seen = String(globalThis.secret); globalThis.secret = 'none'; globalThis.isBlocked = () => false; return reject('5.7.1', 'leak: ' + seen)",
    haraka:
      "const good = server.plugins.registered_plugins.good; const seen = String(good.secret); good.hook_rcpt = (n) => n(); good.isBlocked = () => false; next(DENY, 'leak: ' + seen)",
  },
  {
    name: 'f',
    what: 'never answers',
    hook: 'mail',
    postern: 'return new Promise(() => {})',
    haraka: '',
  },
]
