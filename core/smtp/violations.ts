/** What is said to a client that broke the protocol itself, before the connection ends. */
import { type Reply, reply } from '../mail/reply.ts'
import type { Violation } from './dialogue-port.ts'

export const VIOLATIONS: { readonly [violation in Violation]: Reply } = {
  // Transient: a probe or a proxy header sent to the wrong port should not turn mail away for good (RFC 5321 §4.3.1).
  'early-talker': reply(421, '4.5.1', 'Wait for the greeting before you talk'),
  'bare-line-feed': reply(500, '5.5.2', 'Lines end in CR and LF (RFC 5321 section 2.3.8)'),
  'control-character': reply(500, '5.5.2', 'A command has no NUL and no CR inside (RFC 5321 section 2.3.8)'),
  'line-too-long': reply(500, '5.5.6', 'Command line too long'),
  // Clients that send content unasked do not hear refusals either (RFC 2920 §3.1).
  'content-before-354': reply(503, '5.5.1', 'Wait for 354 before you send the message'),
  // Somebody in between may have added it, to be taken for the client's own words inside TLS (RFC 3207 §6).
  'command-before-tls': reply(503, '5.5.1', 'Wait for 220 and the TLS handshake before you go on'),
  'too-slow': reply(421, '4.4.2', 'The message came too slowly'),
}
