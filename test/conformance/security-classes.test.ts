/**
 * Classes of holes other servers have had, and the tests that ask whether we have them. A line holds when the texts
 * stand in the file named, which is run by itself.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

type Asked = readonly [file: string, ...texts: readonly string[]]

interface SecurityClass {
  readonly what: string
  /** Whose hole it was. */
  readonly cases: string
  readonly asked: readonly Asked[]
}

const HERE = 'test/conformance/security'

const CLASSES: readonly SecurityClass[] = [
  {
    what: 'an address reaches a shell or an expander',
    cases: 'OpenSMTPD CVE-2020-7247, Exim CVE-2019-10149, Haraka CVE-2016-1000282',
    asked: [
      [`${HERE}/hostile-values.test.ts`, 'what would be run by a shell or an expander', "'child_process'"],
      ['test/dialogue/injection.smtp', '${run{/bin/id}}'],
      ['test/core/delivery/maildir.test.ts', 'a message is one file in new/'],
    ],
  },
  {
    what: 'a value brings a line of its own into queue, log or notice',
    cases: 'OpenSMTPD CVE-2020-8794, Postfix 20260807, smtp-server xtext, Haraka GHSA-4gxg-q43p-hfr2',
    asked: [
      [`${HERE}/hostile-values.test.ts`, 'no line end hidden in a value', 'line ends in xtext are refused'],
      ['test/dialogue/xclient.smtp', 'NAME=a+0D+0Ab\nc <- 501'],
      ['test/dialogue/bare-cr-command.smtp', 'NOOP\\rNOOP'],
      ['test/dialogue/nul-command.smtp', '\\u0000'],
      ['test/core/delivery/hostile-replies.test.ts', 'deferred with a short clean text, at little cost'],
      ['test/core/mail/dsn-hostile.test.ts', 'no text in any field adds a header field'],
      ['test/core/observe/security-log.test.ts', 'no value breaks a line'],
    ],
  },
  {
    what: 'SMTP smuggling',
    cases: 'CVE-2023-51764, -51765, -51766, Exim GCVE-25-2026-09-56-1, Wang et al. USENIX Security 2025',
    asked: [
      ['test/core/smtp/smuggling.test.ts', 'does not end the data'],
      ['test/dialogue/end-of-data-lookalikes.smtp', 'stored 0'],
      ['test/dialogue/lmtp.smtp', 'looks like an end of data in another server'],
      ['test/core/delivery/dot-stuffing.test.ts', 'a dot behind a bare CR ends nothing'],
      ['test/core/delivery/client.test.ts', 'the body byte for byte'],
    ],
  },
  {
    what: 'replies and state get out of step',
    cases: 'Exim CVE-2020-BDATA, Postfix 20260724, 20260803, 20260812',
    asked: [
      [`${HERE}/order-of-commands.test.ts`, 'every order of up to', 'VRFY <', 'STARTTLS'],
      ['test/dialogue/bare-lf-content.smtp', 'The transaction is over, the session is not'],
      ['test/core/delivery/hostile-replies.test.ts', 'two replies to MAIL never make a message count'],
    ],
  },
  {
    what: 'plaintext is heard inside TLS, or TLS is taken away',
    cases: 'CVE-2011-0411, smtp-server 3.19.23, NO STARTTLS, Postfix 20260805',
    asked: [
      ['test/core/smtp/starttls.test.ts', 'however they are split', 'max: 500'],
      ['test/dialogue/starttls-pipelined.smtp', 'Half a command is as much too much'],
      [
        'test/dialogue/starttls.smtp',
        'MAIL FROM:<a@client.example>\nc <- 503 5.5.1 HELO or EHLO must come first',
      ],
      ['test/core/delivery/tls.test.ts', 'STARTTLS'],
    ],
  },
  {
    what: 'TLS ends while the message is read',
    cases: 'Exim CVE-2026-45185',
    asked: [['test/core/smtp/starttls.test.ts', 'TLS that ends within a message ends the session']],
  },
  {
    what: 'memory or time runs out',
    cases:
      'smtp-server CVE-2026-38728, nodemailer CVE-2025-14874, Exim CVE-2020-RCPTL, Dovecot CVE-2026-27859',
    asked: [
      [
        `${HERE}/exhaustion.test.ts`,
        'a command of 64 MiB',
        'a line of the message of 64 MiB',
        'header fields',
      ],
      [
        'test/core/content/hostile.test.ts',
        'parts inside parts without end',
        'a hundred thousand delimiters',
      ],
      ['test/core/smtp/data-reader.test.ts', 'lines that are all dots cost no more'],
      ['test/dialogue/recipients.smtp', '452 4\\.5\\.3'],
      ['test/flow/open-port.test.ts', 'a slow drip and a flood'],
    ],
  },
  {
    what: 'names that are keys of prototypes',
    cases: 'Haraka CVE-2026-34752 and #3615, mailauth 7eb9ea2',
    asked: [
      [`${HERE}/hostile-values.test.ts`, "'__proto__', 'constructor'"],
      [`test/conformance/corpora/haraka.test.ts`, 'prototype keys as header names'],
      ['test/dialogue/xclient.smtp', 'XCLIENT __proto__=x\nc <- 501'],
      ['config/effective.ts', 'Object.create(null)'],
    ],
  },
  {
    what: 'an exception in a library ends the process',
    cases: 'Haraka #3538, smtp-server e240a50',
    asked: [
      [`${HERE}/resets.test.ts`, 'RST at any octet of', 'behind a proxy'],
      ['test/core/smtp/starttls.test.ts', 'gone at any octet of its part of the handshake'],
      ['test/core/smtp/conversation.test.ts', 'a bug in one session ends it with 421'],
    ],
  },
  {
    what: 'a proxy is believed that is none, or what it says is read beyond its end',
    cases: 'Exim CVE-2026-48840, smtp-server bca4889, 38a3190',
    asked: [
      [`${HERE}/resets.test.ts`, 'an untrusted client that speaks as a proxy'],
      ['test/core/smtp/proxy-header.test.ts', 'version 2 of no length', 'a TLV longer than the header'],
      ['test/dialogue/xclient-denied.smtp', '550 5\\.7\\.0'],
      ['test/dialogue/xclient.smtp', 'Once more', 'Not within a transaction'],
    ],
  },
  {
    what: 'the DNS answers what nobody asked',
    cases: 'Exim CVE-2023-42119, CVE-2026-40684, libspf2 CVE-2021-20314',
    asked: [
      [
        'test/core/dns/hostile-answers.test.ts',
        '64 KB of text',
        'of thousands of records',
        'line ends, zeros',
      ],
      ['test/core/dns/resolver.test.ts', 'alias'],
    ],
  },
  {
    what: 'what was checked is not what is delivered',
    cases: 'Exim Bug 3036, mailauth #115',
    asked: [
      [`${HERE}/order-of-commands.test.ts`, 'a message in any two pieces, at any octet'],
      ['test/core/smtp/data-reader.test.ts', 'is read alike however it is cut'],
      ['test/core/smtp/accept.test.ts', 'fields are taken out without touching the rest'],
    ],
  },
  {
    what: 'a filter that fails lets mail through',
    cases: 'Postfix 20260821, Haraka #2367',
    asked: [
      ['test/flow/misbehaving-plugin.test.ts', '451 with a reference, and everybody else is served'],
      ['test/flow/deaths.test.ts', 'a killed plughost is replaced, and the mail it was asked about'],
      ['test/dialogue/refusals.smtp', 'fail@example.test>\nc <* 451 4.3.0'],
      ['test/dialogue/owed.smtp', '451 4.3.0'],
    ],
  },
  {
    what: 'a plugin gets out of its isolate',
    cases: 'vm2, thirteen CVEs of May 2026',
    asked: [
      ['test/sandbox/hostile.test.ts', 'hostile programs'],
      ['test/sandbox/containment.test.ts', 'tampers with its isolate'],
    ],
  },
  {
    what: 'secrets in logs',
    cases: 'Exim CVE-2016-9963, Haraka 3.1.7',
    asked: [
      ['test/core/smtp/auth.test.ts', 'no password and no argument of AUTH is in a log, a record'],
      ['test/sandbox/auth.test.ts', 'by accident is masked'],
    ],
  },
]

for (const { what, asked } of CLASSES)
  test(`${what}: there are tests`, () => {
    assert.ok(asked.length > 0)
    for (const [file, ...texts] of asked) {
      const source = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
      assert.ok(texts.length > 0)
      for (const text of texts)
        assert.ok(source.includes(text), `${file} does not say ${JSON.stringify(text)}`)
    }
  })
