/** The settings of limits, as a part of settings.ts: of a session, of a message, of a client network. */

const count = { type: 'integer', minimum: 1, maximum: 1_000_000 } as const
const size = { type: ['integer', 'string'], format: 'size' } as const
const duration = { type: 'string', format: 'duration' } as const

/** What a listener may have otherwise, without defaults. */
const counts = {
  connectionsPerNetwork: {
    ...count,
    description: 'Connections at once from one IPv4 address or one IPv6 /64.',
    examples: [20],
  },
  recipientsPerMessage: {
    ...count,
    description: 'Recipients of one message.',
    maximum: 50_000,
    examples: [100],
  },
  messagesPerSession: { ...count, description: 'Messages in one connection.', examples: [100] },
  errorsPerSession: {
    ...count,
    description: 'Mistakes of a client before it is disconnected.',
    examples: [20],
  },
} as const

const inTenMinutes = {
  connections: { ...count, description: 'Connections.', examples: [1000] },
  messages: { ...count, description: 'Messages.', examples: [2000] },
  recipients: { ...count, description: 'Recipients accepted.', examples: [10_000] },
  bytes: { ...size, description: 'Size of all messages.', atLeast: '1MiB', examples: ['2GiB'] },
  errors: { ...count, description: 'Mistakes.', examples: [200] },
  junk: { ...count, description: 'Commands that carry no mail.', examples: [1000] },
  unknownRecipients: { ...count, description: 'Recipients that do not exist.', examples: [200] },
  authFailures: { ...count, description: 'Wrong passwords.', examples: [50] },
} as const

const NETWORK = 'What one IPv4 address or one IPv6 /64 may use in ten minutes, at one listener.'

export const limits = {
  description: 'What one client may use; `off` lifts every limit on numbers.',
  type: ['object', 'string'],
  format: 'off',
  additionalProperties: false,
  default: {},
  properties: {
    messageBytes: {
      ...size,
      description: 'Size of one message.',
      atLeast: '1KiB',
      atMost: '1GiB',
      default: '25MiB',
    },
    recipientsPerMessage: { ...counts.recipientsPerMessage, default: 100 },
    connections: { ...count, description: 'Connections at once, all clients together.', default: 2000 },
    connectionsPerNetwork: { ...counts.connectionsPerNetwork, default: 20 },
    messagesPerSession: { ...counts.messagesPerSession, default: 100 },
    errorsPerSession: { ...counts.errorsPerSession, default: 20 },
    tarpit: {
      ...duration,
      description: 'How long a client that makes many mistakes waits for each reply.',
      atMost: '30s',
      default: '1s',
    },
    memory: {
      ...size,
      description: 'Memory of a worker beyond which clients are sent away.',
      atLeast: '256MiB',
      default: '2GiB',
    },
    network: {
      description: NETWORK,
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        connections: { ...inTenMinutes.connections, default: 1000 },
        messages: { ...inTenMinutes.messages, default: 2000 },
        recipients: { ...inTenMinutes.recipients, default: 10_000 },
        bytes: { ...inTenMinutes.bytes, default: '2GiB' },
        errors: { ...inTenMinutes.errors, default: 200 },
        junk: { ...inTenMinutes.junk, default: 1000 },
        unknownRecipients: { ...inTenMinutes.unknownRecipients, default: 200 },
        authFailures: { ...inTenMinutes.authFailures, default: 50 },
      },
    },
    idle: {
      ...duration,
      description: 'Silence after which a client is disconnected.',
      atLeast: '1s',
      atMost: '1d',
      default: '5m',
    },
    contentTime: {
      ...duration,
      description: 'Time the content of one message may take to arrive.',
      atLeast: '1m',
      atMost: '1d',
      default: '1h',
    },
    contentRate: {
      ...count,
      description: 'Octets of content a client has to send in a second, on average.',
      minimum: 0,
      default: 500,
    },
  },
} as const

export const listenerLimits = {
  description: 'Limits of this listener, where they are not those of `limits`.',
  type: 'object',
  additionalProperties: false,
  examples: [{ errorsPerSession: 50 }],
  properties: {
    ...counts,
    network: { description: NETWORK, type: 'object', additionalProperties: false, properties: inTenMinutes },
  },
} as const
