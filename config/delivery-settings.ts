/** The settings of what leaves, as a part of settings.ts: where it goes and over how much, and how often it is tried. */

const duration = { type: 'string', format: 'duration' } as const

const timeout = { ...duration, atLeast: '100ms', atMost: '1d' } as const

/** RFC 5321 §4.5.3.2, and what it has no number for. */
const timeouts = {
  description: 'How long next servers are waited for; what was not done by then is tried again later.',
  type: 'object',
  additionalProperties: false,
  default: {},
  properties: {
    connect: { ...timeout, description: 'For the connection itself.', default: '30s' },
    greeting: { ...timeout, description: 'For the greeting.', default: '5m' },
    command: { ...timeout, description: 'For EHLO, STARTTLS, AUTH and RSET.', default: '5m' },
    mail: { ...timeout, description: 'For the reply to MAIL.', default: '5m' },
    rcpt: { ...timeout, description: 'For the reply to each RCPT.', default: '5m' },
    data: { ...timeout, description: 'For the reply to DATA.', default: '2m' },
    block: { ...timeout, description: 'For 64 KiB of the message to leave.', default: '3m' },
    dot: { ...timeout, description: 'For the reply to the message.', default: '10m' },
    transaction: { ...timeout, description: 'For a message as a whole.', default: '1h' },
  },
} as const

export const outbound = {
  description: 'Mail for domains that are not ours.',
  type: 'object',
  additionalProperties: false,
  default: {},
  properties: {
    route: {
      description:
        'Where it goes: `mx` for the mail exchangers of each domain, or the server that sends it on. Without a route there is nowhere to go.',
      type: ['string', 'null'],
      format: 'route',
      default: null,
      examples: ['mx'],
    },
    port: {
      description: 'Port of mail exchangers.',
      type: 'integer',
      minimum: 1,
      maximum: 65_535,
      default: 25,
    },
    family: {
      description: 'Addresses hosts found by name are reached at.',
      enum: ['both', 'ipv4', 'ipv6'],
      default: 'both',
    },
    allowedNetworks: {
      description:
        'Networks that are not on the Internet and have mail exchangers all the same, in CIDR notation.',
      type: 'array',
      items: { type: 'string', format: 'inside-network', examples: ['10.0.0.0/8'] },
      default: [],
    },
    connections: {
      description: 'Connections to other servers at once, all routes together.',
      type: 'integer',
      minimum: 1,
      maximum: 100_000,
      default: 500,
    },
    timeouts,
    bounceClasses: {
      description:
        'File with rules that say what replies are about, in place of config/bounce-classes.yaml of the gateway.',
      type: ['string', 'null'],
      format: 'path',
      default: null,
      examples: ['./bounce-classes.yaml'],
    },
    tls: {
      description: 'Next servers that must prove who they are: `smtps://`, and all that we sign in to.',
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        ca: {
          description: "File with certificates of authorities (PEM) that are trusted beside the system's.",
          type: ['string', 'null'],
          format: 'path',
          default: null,
          examples: ['./our-ca.pem'],
        },
      },
    },
  },
} as const

export const queue = {
  description: 'Mail that is still owed to somebody.',
  type: 'object',
  additionalProperties: false,
  default: {},
  properties: {
    retry: {
      description: 'Waits before the second attempt, the third, and so on; the last one repeats.',
      type: 'array',
      minItems: 1,
      maxItems: 50,
      items: { ...duration, atLeast: '100ms', atMost: '7d', examples: ['5m'] },
      default: ['1m', '5m', '10m', '15m', '30m', '1h', '2h', '4h'],
    },
    expire: {
      ...duration,
      description: 'Age at which undelivered mail is given up, and its sender told.',
      atLeast: '1s',
      atMost: '365d',
      default: '5d',
    },
    delayNotice: {
      ...duration,
      description: 'Age at which the sender of mail that still waits is told so, once.',
      atLeast: '1s',
      atMost: '365d',
      default: '4h',
    },
    lease: {
      ...duration,
      description: 'How long an attempt may be silent before another process takes it over.',
      atLeast: '1s',
      atMost: '1d',
      default: '60s',
    },
  },
} as const
