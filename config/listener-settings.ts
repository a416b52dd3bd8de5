/** The settings of listeners, as a part of settings.ts: where clients connect, and the certificate they are shown. */

import { listenerLimits } from './limit-settings.ts'

export const listener = {
  type: 'object',
  additionalProperties: false,
  required: ['address'],
  examples: [{ address: '127.0.0.1:2525' }],
  properties: {
    address: {
      description: 'IP address and port to listen on. Port 0 lets the system choose.',
      type: 'string',
      format: 'endpoint',
      examples: ['127.0.0.1:2525'],
    },
    role: {
      description:
        'Who connects here: `mx` for mail from other servers, `submission` for people who sign in, `lmtp` for a mail server of yours that speaks LMTP.',
      enum: ['mx', 'submission', 'lmtp'],
      default: 'mx',
    },
    tls: {
      description:
        '`implicit`: TLS from the first byte on. `starttls`: when the client asks for it, the default where there is a certificate. `off`: never.',
      enum: ['implicit', 'starttls', 'off'],
      examples: ['starttls'],
    },
    clientCertificates: {
      description:
        '`request`: clients are asked for a certificate of their own, which plugins are told of; nobody needs one. `off`: they are not.',
      enum: ['request', 'off'],
      default: 'off',
    },
    limits: listenerLimits,
    proxy: {
      description:
        'Networks of proxies: every connection begins with a PROXY header and comes from there. Default: there is no proxy.',
      type: 'array',
      minItems: 1,
      items: { type: 'string', format: 'inside-network', examples: ['10.0.0.0/8'] },
      examples: [['10.0.0.5/32']],
    },
    xclient: {
      description: 'Networks that may say with XCLIENT who the client is.',
      type: 'array',
      items: { type: 'string', format: 'inside-network', examples: ['10.0.0.0/8'] },
      default: [],
    },
    xforward: {
      description: 'Networks that may say with XFORWARD whom they had it from.',
      type: 'array',
      items: { type: 'string', format: 'inside-network', examples: ['10.0.0.0/8'] },
      default: [],
    },
  },
} as const

const keyPair = {
  certificate: {
    description: 'PEM file, with the certificates that lead to a root behind it.',
    type: 'string',
    format: 'path',
    examples: ['/etc/postern/fullchain.pem'],
  },
  key: {
    description: 'PEM file with its key, without a passphrase.',
    type: 'string',
    format: 'path',
    examples: ['/etc/postern/privkey.pem'],
  },
} as const

export const certificate = {
  description:
    'Certificate shown to clients. Default: one that is made in the folder of the store, when a listener needs it.',
  type: 'object',
  additionalProperties: false,
  required: ['certificate', 'key'],
  examples: [{ certificate: '/etc/postern/fullchain.pem', key: '/etc/postern/privkey.pem' }],
  properties: {
    ...keyPair,
    certificates: {
      description: 'Other certificates, for clients that ask for a host name of theirs.',
      type: 'array',
      maxItems: 100,
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['certificate', 'key'],
        examples: [{ certificate: '/etc/postern/other.pem', key: '/etc/postern/other-key.pem' }],
        properties: keyPair,
      },
      default: [],
    },
    clientCa: {
      description: 'PEM file with authorities that vouch for clients. Default: nobody does.',
      type: ['string', 'null'],
      format: 'path',
      default: null,
      examples: ['/etc/postern/clients.pem'],
    },
  },
} as const
