import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { type LoadedConfig, parseConfig } from '../../config/load.ts'
import { formatConfig } from '../../config/show.ts'

test('the effective configuration is shown as a file, every default written out', () => {
  const text = `
domains: { example.test: { deliver: "smtp://192.0.2.1" } }
queue: { retry: [90s, 60m], lease: 1500ms }
limits: { messageBytes: 10KB, idle: 120s }
store: { inlineBytes: 1000000, reserveBytes: 0 }
admin: { http: off }
lookups: { staff: [alice@example.test], people: ./people.txt }
`
  assert.equal(
    formatConfig(loaded(text)),
    `hostname: mx.example.test
postmaster: null
listeners:
  - address: 127.0.0.1:2525
    role: mx
    tls: off
    clientCertificates: off
    xclient: []
    xforward: []
users: null
domains:
  example.test:
    deliver: smtp://192.0.2.1:25
relay:
  networks: []
lineEndings:
  normalize: []
outbound:
  route: null
  port: 25
  family: both
  allowedNetworks: []
  connections: 500
  timeouts:
    connect: 30s
    greeting: 5m
    command: 5m
    mail: 5m
    rcpt: 5m
    data: 2m
    block: 3m
    dot: 10m
    transaction: 1h
  bounceClasses: null
  tls:
    ca: null
dns:
  servers: []
queue:
  retry:
    - 90s
    - 1h
  expire: 5d
  delayNotice: 4h
  lease: 1500ms
limits:
  messageBytes: 10000
  recipientsPerMessage: 100
  connections: 2000
  connectionsPerNetwork: 20
  messagesPerSession: 100
  errorsPerSession: 20
  longLines: accept
  tarpit: 1s
  memory: 2GiB
  pluginCalls: 800
  pluginAbsence: 3s
  storeCalls: 10000
  storeDelay: 5s
  network:
    connections: 1000
    messages: 2000
    recipients: 10000
    bytes: 2GiB
    errors: 200
    junk: 1000
    unknownRecipients: 200
    authFailures: 50
  idle: 2m
  contentTime: 1h
  contentRate: 500
store:
  kind: local
  directory: /etc/var
  inlineBytes: 1000000
  reserveBytes: 0
admin:
  socket: /etc/var/control.sock
  http: off
plugins: []
plughosts:
  standby: true
lookups:
  staff:
    - alice@example.test
  people: /etc/people.txt
secrets: {}
record:
  sessions: 10000
  bytes: 128MiB
  activations:
    plugins: []
    bytes: 16MiB
    bodies: false
log:
  level: info
  security: null
stopTimeout: 30s
workers: 1
`,
  )
})

// What smarthost.yaml shows of its route is a mask, which cannot be read again.
const files = ['config/postern.yaml', 'config/examples/inbound.yaml']
const texts = [
  'tls: { certificate: ./c.pem, key: ./k.pem }\nlisteners: [{ address: "[::]:465", tls: implicit }, { address: "[::]:25" }]\nusers: ./users',
  'tls: { certificate: ./c.pem, key: ./k.pem, certificates: [{ certificate: ./d.pem, key: ./l.pem }], clientCa: ./ca.pem }\nlisteners: [{ address: "[::]:25", clientCertificates: request }]',
  'outbound: { route: mx, port: 2526, family: ipv4, allowedNetworks: [10.0.0.0/8, "::1"], connections: 7 }',
  'outbound: { route: "smtps://mail.example.com", tls: { ca: ./ca.pem } }',
  'domains: { a.test: { deliver: "lmtp://127.0.0.1" }, b.test: { deliver: "lmtp+unix:./lmtp" } }',
  'dns: { servers: [192.0.2.53, "[2001:DB8::53]:5353"] }',
  'outbound: { bounceClasses: ./b.yaml, timeouts: { dot: 15m } }',
  'limits: off',
  'listeners: [{ address: "[::]:25", limits: { messageBytes: 5MiB, tarpit: 2s, idle: 1m, longLines: refuse, network: { bytes: 1GiB } } }]',
  'listeners: [{ address: "[::]:25" }, { address: "0.0.0.0:25" }]',
  'plugins: [{ path: ./x.ts, config: { a: [1, { b: null }], "c d": "- e: #" }, grant: { relay.grant: true }, onError: skip }]',
  ...files.map((file) => readFileSync(file, 'utf8')),
]
for (const text of texts)
  test(`what is shown of "${text.slice(0, 40).split('\n')[0]}" loads as the same configuration`, () => {
    const first = loaded(text)
    const again = loaded(formatConfig(first))
    assert.deepEqual(withoutPlaces(again), withoutPlaces(first))
  })

function loaded(text: string): Extract<LoadedConfig, { ok: true }> {
  const result = parseConfig(text, '/etc/postern.yaml', {}, 'mx.example.test')
  assert.deepEqual(result.ok ? [] : result.problems, [])
  assert.ok(result.ok)
  return result
}

function withoutPlaces({ config }: Extract<LoadedConfig, { ok: true }>): unknown {
  const plugins = config.plugins.map((plugin) => ({ ...plugin, place: '' }))
  const tls =
    config.tls === null
      ? null
      : {
          ...config.tls,
          place: '',
          certificates: config.tls.certificates.map((pair) => ({ ...pair, place: '' })),
          clientCa: config.tls.clientCa?.file,
        }
  const { tls: next, bounceClasses } = config.outbound
  const outbound = { ...config.outbound, tls: { ca: next.ca }, bounceClasses: bounceClasses.file }
  return structuredClone({ ...config, plugins, tls, outbound })
}
