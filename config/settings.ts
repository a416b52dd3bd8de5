/**
 * The configuration file as a JSON Schema: every setting with its unit and its default. `default` is applied when
 * the file is loaded, so it is written here and nowhere else. Keywords beside those of JSON Schema: `format` (see
 * formats.ts), `atLeast` and `atMost` (bounds of a duration or a size), `notBuilt` (what the setting will do one day;
 * `values` says which values are meant, `except` which are not, neither means all).
 */

import { outbound, queue } from './delivery-settings.ts'
import { limits } from './limit-settings.ts'
import { certificate, listener } from './listener-settings.ts'

const duration = { type: 'string', format: 'duration' } as const
const size = { type: ['integer', 'string'], format: 'size' } as const

const plugin = {
  type: 'object',
  additionalProperties: false,
  examples: [{ name: 'relay-control' }],
  properties: {
    name: {
      description: 'A plugin that comes with the gateway.',
      type: 'string',
      format: 'name',
      examples: ['relay-control'],
    },
    path: {
      description: 'A file of your own.',
      type: 'string',
      format: 'path',
      examples: ['./plugins/my-filter.ts'],
    },
    config: {
      description: "The plugin's own settings; the plugin's README lists them.",
      type: 'object',
      default: {},
    },
    grant: {
      description: 'Critical permissions it may have, as it asks for them.',
      type: 'object',
      default: {},
    },
    onError: {
      description: 'What its failure means: `defer` the mail, `skip` the plugin, or `hold` the message.',
      enum: ['defer', 'skip', 'hold'],
      default: 'defer',
    },
    process: {
      description:
        'Whose process it runs in: its `own`, or one `shared` with the others of its kind. Default: `shared` for plugins that come with the gateway, `own` for yours.',
      enum: ['own', 'shared'],
      examples: ['own'],
    },
  },
} as const

const store = {
  description: 'Where accepted mail is kept.',
  type: 'object',
  additionalProperties: false,
  default: {},
  properties: {
    kind: {
      description: '`local`: in a folder of this machine.',
      enum: ['local', 'redis'],
      default: 'local',
      notBuilt: { values: ['redis'], remedy: 'use "kind: local" with a "directory"' },
    },
    directory: { description: 'The folder.', type: 'string', format: 'path', default: './var' },
    inlineBytes: {
      ...size,
      description: 'Bodies up to this size stand in the database, larger ones in files.',
      atMost: '64MiB',
      default: '256KiB',
    },
    reserveBytes: {
      ...size,
      description: 'Free space below which no mail is accepted.',
      default: '64MiB',
    },
    url: {
      description: 'Address of a Redis server.',
      notBuilt: { remedy: 'use "kind: local" and remove it' },
    },
  },
} as const

/** The whole file. */
export const SETTINGS = {
  type: 'object',
  additionalProperties: false,
  properties: {
    hostname: {
      description:
        "Name this server says to others. Default: the machine's name, with `.localdomain` added when it has no domain.",
      type: 'string',
      format: 'hostname',
      examples: ['mx.example.test'],
    },
    postmaster: {
      description: 'Mailbox of the people who run this server. Default: their mail is kept in hold.',
      type: ['string', 'null'],
      format: 'mailbox',
      default: null,
      examples: ['admin@example.test'],
    },
    listeners: {
      description: 'Where clients connect.',
      type: 'array',
      minItems: 1,
      maxItems: 100,
      items: listener,
      default: [{ address: '127.0.0.1:2525', role: 'mx' }],
    },
    domains: {
      description: 'Domains this server receives mail for, each with where their mail goes.',
      type: 'object',
      default: {},
      additionalProperties: {
        type: 'object',
        additionalProperties: false,
        required: ['deliver'],
        examples: [{ deliver: 'maildir:./var/mail' }],
        properties: {
          deliver: {
            description:
              'Where its mail goes: `smtp://HOST:PORT`, `smtps://HOST`, `lmtp://HOST:PORT`, `lmtp+unix:PATH`, `mx:DOMAIN`, `maildir:PATH` or `discard:`.',
            type: 'string',
            format: 'destination',
            examples: ['maildir:./var/mail'],
          },
        },
      },
    },
    relay: {
      description: 'Who may send to any domain.',
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        networks: {
          description: 'Networks of trusted clients, in CIDR notation. Default: nobody.',
          type: 'array',
          items: { type: 'string', format: 'network', examples: ['127.0.0.0/8'] },
          default: [],
        },
      },
    },
    lineEndings: {
      description: 'What becomes of CR and LF that stand alone in a message.',
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        normalize: {
          description: 'Networks whose clients get them made CRLF, in CIDR notation; others are refused.',
          type: 'array',
          items: { type: 'string', format: 'inside-network', examples: ['10.0.0.0/8'] },
          default: [],
        },
      },
    },
    outbound,
    queue,
    limits,
    store,
    admin: {
      description: 'How this server is watched and controlled.',
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        socket: {
          description: 'Unix socket of the commands. Default: control.sock in the folder of the store.',
          type: 'string',
          format: 'path',
          examples: ['./var/control.sock'],
        },
        http: {
          description: 'IP address and port of health and metrics, or `off`.',
          type: ['string', 'null'],
          format: 'endpoint-or-off',
          default: '127.0.0.1:8025',
        },
      },
    },
    plugins: {
      description: 'Plugins in the order they are asked.',
      type: 'array',
      maxItems: 100,
      items: plugin,
      default: [],
    },
    lookups: {
      description: 'Tables plugins may ask: a file with one entry a line, or the entries themselves.',
      type: 'object',
      default: {},
      additionalProperties: {
        type: ['string', 'array'],
        format: 'path',
        items: { type: 'string', examples: ['alice@example.test'] },
        examples: ['./recipients.txt'],
      },
    },
    plughosts: {
      description: 'The processes plugins run in.',
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        standby: {
          description:
            'Whether each process with plugins of yours has a second one that stands by with the same plugins loaded, and goes on when it dies.',
          type: 'boolean',
          default: true,
        },
      },
    },
    record: {
      description: 'What is remembered of past decisions.',
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        sessions: {
          description: 'The last so many sessions; 0 for none.',
          type: 'integer',
          minimum: 0,
          maximum: 10_000_000,
          default: 10_000,
        },
        bytes: {
          ...size,
          description: 'Memory they may take, about; beyond it the oldest go.',
          atLeast: '4MiB',
          atMost: '64GiB',
          default: '128MiB',
        },
        activations: {
          description: 'What plugins were asked and said, in files, for `plugin replay`.',
          type: 'object',
          additionalProperties: false,
          default: {},
          properties: {
            plugins: {
              description: 'Names of the plugins it is written down of.',
              type: 'array',
              maxItems: 100,
              items: { type: 'string', format: 'name', examples: ['greylist'] },
              default: [],
            },
            bytes: {
              ...size,
              description: 'Size of the files of one plugin, about; beyond it the oldest half goes.',
              atLeast: '1MiB',
              atMost: '64GiB',
              default: '16MiB',
            },
            bodies: {
              description: 'Whether bodies of messages are kept with them.',
              type: 'boolean',
              default: false,
            },
          },
        },
      },
    },
    log: {
      description: 'The log, on standard error.',
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        level: {
          description: 'The least important lines that are written.',
          enum: ['debug', 'info', 'warn', 'error', 'silent'],
          default: 'info',
        },
        security: {
          description: 'File with a line for each attack, for programs such as fail2ban.',
          type: ['string', 'null'],
          format: 'path',
          default: null,
          examples: ['/var/log/postern/security.log'],
        },
      },
    },
    stopTimeout: {
      ...duration,
      description: 'How long sessions and deliveries may take to finish when the gateway stops.',
      atMost: '1h',
      default: '30s',
    },
    workers: {
      description: 'Processes that receive and deliver mail; `auto`: as many as the machine runs at once.',
      type: ['integer', 'string'],
      format: 'auto',
      minimum: 1,
      maximum: 64,
      default: 1,
    },
    tls: certificate,
    users: {
      description: 'File with those who may sign in at submission listeners; `postern user set` writes it.',
      type: ['string', 'null'],
      format: 'path',
      default: null,
      examples: ['./users'],
    },
    dns: {
      description: 'The resolver.',
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        servers: {
          description: 'Resolvers to ask, in this order. Default: those of the system.',
          type: 'array',
          maxItems: 10,
          items: { type: 'string', format: 'dns-server', examples: ['127.0.0.1:53'] },
          default: [],
        },
      },
    },
    dkim: {
      description: 'Keys that mail is signed with.',
      notBuilt: { remedy: 'remove it, and let the next server (outbound.route) sign' },
    },
    shaping: {
      description: 'How fast mail is sent to whom.',
      notBuilt: { remedy: 'remove it, and let the next server (outbound.route) set the pace' },
    },
    secrets: {
      description: 'Secrets plugins may use by name, without seeing them.',
      type: 'object',
      default: {},
      additionalProperties: {
        type: 'string',
        format: 'secret',
        examples: ['${env:API_KEY}'],
      },
    },
  },
} as const
