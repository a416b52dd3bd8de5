/** The settings of listeners, as a part of settings.ts: where clients connect, and the certificate they are shown. */

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
        'Who connects here: `mx` for mail from other servers, `submission` for people who sign in.',
      enum: ['mx', 'submission', 'lmtp'],
      default: 'mx',
      notBuilt: {
        values: ['lmtp'],
        remedy: 'use "role: mx" and list the clients that may send anywhere under relay.networks',
      },
    },
    tls: {
      description:
        '`implicit`: TLS from the first byte on. `starttls`: when the client asks for it, the default where there is a certificate. `off`: never.',
      enum: ['implicit', 'starttls', 'off'],
      examples: ['starttls'],
    },
    proxy: {
      description: 'Networks whose PROXY header is believed.',
      notBuilt: { remedy: 'remove it, and let clients connect without a proxy in between' },
    },
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
  },
} as const
