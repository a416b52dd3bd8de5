/** The settings of limits, as a part of settings.ts: of a session, of a message, of a client network. */

const count = { type: 'integer', minimum: 1, maximum: 1_000_000 } as const
const size = { type: ['integer', 'string'], format: 'size' } as const
const duration = { type: 'string', format: 'duration' } as const

/** What a listener may have otherwise, without defaults. */
const own = {
  messageBytes: {
    ...size,
    description: 'Size of one message.',
    atLeast: '1KiB',
    atMost: '1GiB',
    examples: ['25MiB'],
  },
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
  tarpit: {
    ...duration,
    description: 'How long a client that makes many mistakes waits for each reply.',
    atMost: '30s',
    examples: ['1s'],
  },
  idle: {
    ...duration,
    description: 'Silence after which a client is disconnected.',
    atLeast: '1s',
    atMost: '1d',
    examples: ['5m'],
  },
  longLines: {
    description: 'What becomes of a message with a line of more than 998 octets.',
    enum: ['accept', 'refuse'],
    examples: ['accept'],
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
    messageBytes: { ...own.messageBytes, default: '25MiB' },
    recipientsPerMessage: { ...own.recipientsPerMessage, default: 100 },
    connections: { ...count, description: 'Connections at once, all clients together.', default: 2000 },
    connectionsPerNetwork: { ...own.connectionsPerNetwork, default: 20 },
    messagesPerSession: { ...own.messagesPerSession, default: 100 },
    errorsPerSession: { ...own.errorsPerSession, default: 20 },
    tarpit: { ...own.tarpit, default: '1s' },
    memory: {
      ...size,
      description: 'Memory of a worker beyond which clients are sent away.',
      atLeast: '256MiB',
      default: '2GiB',
    },
    pluginCalls: {
      ...count,
      description: 'Calls of plugins under way in one plughost beyond which clients are sent away.',
      maximum: 1000,
      default: 800,
    },
    pluginAbsence: {
      ...duration,
      description: 'How long a plughost that died may be missing before clients are sent away.',
      atLeast: '100ms',
      atMost: '1h',
      default: '3s',
    },
    storeCalls: {
      ...count,
      description: 'Calls of a worker that the store has not answered, beyond which clients are sent away.',
      default: 10_000,
    },
    storeDelay: {
      ...duration,
      description: 'How long the store may take to answer before clients are sent away.',
      atLeast: '100ms',
      atMost: '1h',
      default: '5s',
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
    idle: { ...own.idle, default: '5m' },
    longLines: { ...own.longLines, default: 'accept' },
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
    ...own,
    network: { description: NETWORK, type: 'object', additionalProperties: false, properties: inTenMinutes },
  },
} as const
