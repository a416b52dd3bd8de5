import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import type { Config } from '../../config/config.ts'
import { loadConfig, parseConfig } from '../../config/load.ts'

const folder = mkdtempSync(join(tmpdir(), 'postern-config-'))
after(() => rmSync(folder, { recursive: true }))

test('an empty file gives every default', () => {
  assert.deepEqual(plain(load('', '/etc/postern/postern.yaml', 'mx.example.test')), {
    file: '/etc/postern/postern.yaml',
    hostname: 'mx.example.test',
    postmaster: null,
    listeners: [
      {
        host: '127.0.0.1',
        port: 2525,
        role: 'mx',
        tls: 'off',
        clientCertificates: 'off',
        xclient: [],
        xforward: [],
      },
    ],
    tls: null,
    users: null,
    domains: {},
    relay: { networks: [] },
    lineEndings: { normalize: [] },
    outbound: {
      route: null,
      port: 25,
      family: 'both',
      allowedNetworks: [],
      connections: 500,
      timeouts: {
        connectMs: 30_000,
        greetingMs: 300_000,
        commandMs: 300_000,
        mailMs: 300_000,
        rcptMs: 300_000,
        dataMs: 120_000,
        blockMs: 180_000,
        dotMs: 600_000,
        transactionMs: 3_600_000,
      },
      bounceClasses: { file: null, place: '/etc/postern/postern.yaml:1:1' },
      tls: { ca: null, place: '/etc/postern/postern.yaml:1:1' },
    },
    passwords: {},
    dns: { servers: [] },
    queue: {
      retryMs: [60_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000],
      expireMs: 432_000_000,
      delayNoticeMs: 14_400_000,
      leaseMs: 60_000,
    },
    limits: {
      messageBytes: 26_214_400,
      recipientsPerMessage: 100,
      connections: 2000,
      connectionsPerNetwork: 20,
      messagesPerSession: 100,
      errorsPerSession: 20,
      tarpitMs: 1_000,
      memoryBytes: 2_147_483_648,
      pluginCalls: 800,
      pluginAbsenceMs: 3_000,
      storeCalls: 10_000,
      storeDelayMs: 5_000,
      network: {
        connections: 1_000,
        messages: 2_000,
        recipients: 10_000,
        bytes: 2_147_483_648,
        errors: 200,
        junk: 1_000,
        unknownRecipients: 200,
        authFailures: 50,
      },
      idleMs: 300_000,
      longLines: 'accept',
      contentMs: 3_600_000,
      contentBytesPerSecond: 500,
    },
    store: {
      kind: 'local',
      directory: '/etc/postern/var',
      inlineBytes: 262_144,
      reserveBytes: 67_108_864,
    },
    admin: { socket: '/etc/postern/var/control.sock', http: { host: '127.0.0.1', port: 8025 } },
    plugins: [],
    lookups: {},
    secrets: {},
    plughosts: { standby: true },
    record: {
      sessions: 10_000,
      bytes: 134_217_728,
      activations: { plugins: [], bytes: 16_777_216, bodies: false },
    },
    log: { level: 'info', security: null },
    stopTimeoutMs: 30_000,
    workers: 1,
  })
})

test('defaults fill a group that is given in part', () => {
  const { queue } = load('queue: { lease: 90s }')
  assert.deepEqual([queue.leaseMs, queue.expireMs, queue.retryMs.length], [90_000, 432_000_000, 8])
})

test('a file loaded twice is not changed by the defaults of the first time', () => {
  load('plugins: [{ name: greylist }]').plugins.map(({ config }) => Object.assign(config, { changed: true }))
  assert.deepEqual(Object.keys(load('plugins: [{ name: greylist }]').plugins[0]?.config ?? {}), [])
})

const names = [
  { systemName: 'mx1.example.test', hostname: 'mx1.example.test' },
  { systemName: 'MX1.example.test', hostname: 'mx1.example.test' },
  { systemName: 'mx1', hostname: 'mx1.localdomain' },
  { systemName: 'not_a_host', hostname: 'localhost.localdomain' },
  { systemName: '192.0.2.1', hostname: 'localhost.localdomain' },
  { systemName: '', hostname: 'localhost.localdomain' },
]
for (const { systemName, hostname } of names)
  test(`on a machine called "${systemName}" the default hostname is ${hostname}`, () => {
    assert.equal(load('', 'postern.yaml', systemName).hostname, hostname)
  })

test('a hostname in the file is written in small letters', () => {
  assert.equal(load('hostname: MX.Example.test').hostname, 'mx.example.test')
})

test('limits: off lifts the limits on numbers and keeps those on memory and time', () => {
  assert.deepEqual(load('limits: off').limits, {
    messageBytes: 26_214_400,
    recipientsPerMessage: 50_000,
    connections: Number.POSITIVE_INFINITY,
    connectionsPerNetwork: Number.POSITIVE_INFINITY,
    messagesPerSession: Number.POSITIVE_INFINITY,
    errorsPerSession: Number.POSITIVE_INFINITY,
    tarpitMs: 0,
    memoryBytes: 2_147_483_648,
    pluginCalls: Number.POSITIVE_INFINITY,
    pluginAbsenceMs: 3_000,
    storeCalls: Number.POSITIVE_INFINITY,
    storeDelayMs: 5_000,
    network: null,
    idleMs: 300_000,
    longLines: 'accept',
    contentMs: 3_600_000,
    contentBytesPerSecond: 500,
  })
})

test('health and metrics can be switched off in two ways', () => {
  assert.equal(load('admin: { http: off }').admin.http, null)
  assert.equal(load('admin: { http: null }').admin.http, null)
})

test('relative paths start at the folder of the file, absolute ones stay', () => {
  const text = `
store: { directory: ../var }
admin: { socket: run/control.sock }
outbound: { route: "maildir:/srv/out" }
domains: { example.test: { deliver: "maildir:./mail" } }
lookups: { people: people.txt, staff: [alice@example.test] }
plugins: [{ path: ./filter.ts }, { path: /opt/filter.ts }]
`
  const config = load(text, '/etc/postern/postern.yaml')
  assert.equal(config.store.directory, '/etc/var')
  assert.equal(config.admin.socket, '/etc/postern/run/control.sock')
  assert.equal(config.outbound.route, 'maildir:/srv/out')
  assert.equal(config.domains['example.test']?.deliver, 'maildir:/etc/postern/mail')
  assert.deepEqual(config.lookups['people'], { kind: 'file', path: '/etc/postern/people.txt' })
  assert.deepEqual(config.lookups['staff'], { kind: 'list', entries: ['alice@example.test'] })
  assert.deepEqual(
    config.plugins.map(({ source }) => source),
    [
      { kind: 'file', path: '/etc/postern/filter.ts' },
      { kind: 'file', path: '/opt/filter.ts' },
    ],
  )
})

test('the control socket is in the folder of the store unless it is put elsewhere', () => {
  assert.equal(load('store: { directory: /var/lib/postern }').admin.socket, '/var/lib/postern/control.sock')
})

test('a plugin keeps its configuration, its grants and its place', () => {
  const text = `plugins:
  - name: relay-control
  - path: /opt/filter.ts
    config: { words: [a, b], deep: { number: 1.5, nothing: null } }
    grant: { route.set: ["smtp://192.0.2.1"] }
    onError: hold
`
  assert.deepEqual(plain(load(text).plugins), [
    {
      source: { kind: 'bundled', name: 'relay-control' },
      config: {},
      grant: {},
      onError: 'defer',
      process: 'shared',
      place: 'postern.yaml:2:5',
    },
    {
      source: { kind: 'file', path: '/opt/filter.ts' },
      config: { words: ['a', 'b'], deep: { number: 1.5, nothing: null } },
      grant: { 'route.set': ['smtp://192.0.2.1'] },
      onError: 'hold',
      process: 'own',
      place: 'postern.yaml:3:5',
    },
  ])
})

test('networks and destinations are written in one way, however they were given', () => {
  const text = `
relay: { networks: [192.0.2.7, "2001:DB8:0::/32", "::1"] }
domains: { Example.TEST: { deliver: "smtp://[2001:DB8::0:1]" } }
`
  const { relay, domains } = load(text)
  assert.deepEqual(relay.networks, ['192.0.2.7/32', '2001:db8::/32', '::1/128'])
  assert.deepEqual(plain(domains), { 'example.test': { deliver: 'smtp://[2001:db8::1]:25' } })
})

test('a file in JSON loads', () => {
  assert.equal(load('{\n\t"hostname": "mx.example.test",\n\t"plugins": []\n}').hostname, 'mx.example.test')
})

test('a byte order mark and carriage returns move no place', () => {
  const file = write('bom.yaml', '\ufeffhostnam: x\r\nlease: 5s\r\n')
  const loaded = loadConfig(file, {})
  assert.ok(!loaded.ok)
  assert.deepEqual(
    loaded.problems.map(({ place, frame }) => [place, frame?.split('\n')[0]]),
    [
      [`${file}:1:1`, '   1 | hostnam: x'],
      [`${file}:2:1`, '   2 | lease: 5s'],
    ],
  )
})

test('a file may have one megabyte and not a byte more', () => {
  const megabyte = `hostname: mx.example.test\n${'#'.repeat(1024 * 1024 - 26)}`
  assert.equal(loadConfig(write('full.yaml', megabyte), {}).ok, true)
  assert.equal(
    sentence(write('more.yaml', `${megabyte}#`)),
    'The configuration file is larger than 1048576 bytes.',
  )
})

test('a folder, and text that is not UTF-8, are refused in words', () => {
  assert.equal(sentence(folder), 'The configuration file is a folder.')
  const latin = write('latin.yaml', Buffer.from([0x61, 0x3a, 0x20, 0xfc]))
  assert.equal(sentence(latin), 'The configuration file is not UTF-8 text.')
})

test('the configuration npm start runs loads, and keeps its mail in var at the top of the checkout', () => {
  const loaded = loadConfig('config/postern.yaml', {})
  assert.ok(loaded.ok)
  const { config } = loaded
  assert.deepEqual(config.listeners, [
    {
      host: '127.0.0.1',
      port: 2525,
      role: 'mx',
      tls: 'starttls',
      clientCertificates: 'off',
      xclient: [],
      xforward: [],
    },
    {
      host: '127.0.0.1',
      port: 2587,
      role: 'submission',
      tls: 'starttls',
      clientCertificates: 'off',
      xclient: [],
      xforward: [],
    },
  ])
  assert.equal(config.store.directory, resolve('var'))
  assert.equal(config.admin.socket, resolve('var/control.sock'))
  assert.equal(config.domains['example.test']?.deliver, `maildir:${resolve('var/mail')}`)
  assert.equal(config.outbound.route, `maildir:${resolve('var/outbound')}`)
  assert.deepEqual(
    config.plugins.map(({ source }) => (source.kind === 'bundled' ? source.name : source.path)),
    ['relay-control', 'recipients', 'greylist', 'routing'],
  )
})

for (const name of ['inbound', 'smarthost'])
  test(`the example ${name}.yaml loads`, () => {
    const loaded = loadConfig(`config/examples/${name}.yaml`, { SMARTHOST_PASSWORD: 'p@ss' })
    assert.deepEqual(loaded.ok ? [] : loaded.problems, [])
  })

function load(text: string, file = 'postern.yaml', systemName = 'mx.example.test'): Config {
  const loaded = parseConfig(text, file, {}, systemName)
  assert.deepEqual(loaded.ok ? [] : loaded.problems, [])
  assert.ok(loaded.ok)
  return loaded.config
}

/** With prototypes, for comparison: what comes from a file has none. */
function plain(value: unknown): unknown {
  return structuredClone(value)
}

function write(name: string, content: string | Uint8Array): string {
  const file = join(folder, name)
  writeFileSync(file, content)
  return file
}

function sentence(file: string): string | undefined {
  const loaded = loadConfig(file, {})
  return loaded.ok ? undefined : loaded.problems[0]?.message
}

test('workers are a number, or as many as the machine runs at once', () => {
  assert.equal(load('workers: 3').workers, 3)
  assert.equal(load('workers: auto').workers, Math.min(availableParallelism(), 64))
  for (const text of ['workers: 0', 'workers: 65', 'workers: many', 'workers: 1.5', 'workers: [2]'])
    assert.equal(parseConfig(text, 'postern.yaml', {}).ok, false, text)
})
