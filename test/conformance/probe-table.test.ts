/**
 * What a server is asked by those who test servers, row by row, and the dialogue or test that asks it of ours. A row
 * holds when each of its texts stands in the file named, which is run elsewhere.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

/** What is asked with the section of RFC 5321 or the RFC; the file; texts of it that ask it. */
type Row = readonly [what: string, file: string, ...texts: readonly string[]]

const EXTENSIONS: readonly Row[] = [
  [
    'PIPELINING is offered and kept (RFC 2920)',
    'pipelining.smtp',
    'pipelined commands are answered in order',
  ],
  ['what is sent behind DATA is refused (RFC 2920 §3.1)', 'pipelined-content.smtp', '503 5.5.1 Wait for 354'],
  ['SIZE declared (RFC 1870 §6.1)', 'mail-arguments.smtp', 'SIZE=100001', 'SIZE=ten'],
  ['SIZE while streaming (RFC 1870 §6.3)', 'oversize.smtp', '552 5\\.3\\.4'],
  ['8BITMIME (RFC 6152)', 'mail-arguments.smtp', 'BODY=8BITMIME', 'BODY=BINARYMIME'],
  ['SMTPUTF8 (RFC 6531)', 'smtputf8.smtp', '553 5.6.7', 'SMTPUTF8 BODY=8BITMIME'],
  ['CHUNKING (RFC 3030)', 'bdat-order.smtp', 'BDAT 6 LAST', '503 5.5.1 RCPT must come before BDAT'],
  ['DSN (RFC 3461)', 'mail-arguments.smtp', 'RET=HDRS ENVID=QQ+20314', 'RET=WHOLE'],
  ['DSN of recipients (RFC 3461)', 'rcpt-arguments.smtp', 'NOTIFY=SUCCESS,DELAY ORCPT=rfc822;'],
  ['ENHANCEDSTATUSCODES (RFC 2034)', 'ehlo.smtp', '250 ENHANCEDSTATUSCODES'],
  ['STARTTLS (RFC 3207)', 'starttls.smtp', '220 2.0.0 Ready to start TLS'],
  ['TLS from the first octet on (RFC 8314)', 'implicit-tls.smtp', 'listener submission implicit'],
  ['AUTH PLAIN and LOGIN inside TLS only (RFC 4954, RFC 4616)', 'submission.smtp', '538 5.7.11', '235 2.7.0'],
  ['REQUIRETLS is never passed over (RFC 8689)', 'requiretls.smtp', 'REQUIRETLS\n', '555'],
  ['LIMITS (RFC 9422)', 'ehlo.smtp', 'LIMITS MAILMAX=100 RCPTMAX=100'],
  [
    'MT-PRIORITY, DELIVERBY, FUTURERELEASE and RRVS are 555 (§4.1.1.11)',
    'unknown-parameters.smtp',
    'MT-PRIORITY=3',
    'BY=120;R',
    'HOLDFOR=86400',
    'RRVS=2024',
  ],
  ['XCLIENT', 'xclient.smtp', 'XCLIENT ADDR='],
  ['XFORWARD', 'xforward.smtp', 'XFORWARD NAME='],
  ['PROXY 1 and 2', 'proxy.smtp', 'PROXY TCP4', 'QUIT\\n\\u0021\\u0011'],
  ['ETRN is 502 (RFC 1985)', 'small-verbs.smtp', '502 5.5.1 ETRN'],
  ['VRFY is 252 (§3.5.3)', 'small-verbs.smtp', 'VRFY user@example.test', '252 2\\.1\\.5'],
  ['EXPN is 502 (§4.2.4)', 'small-verbs.smtp', '502 5.5.1 EXPN'],
  ['HELP is 214 (§4.1.1.8)', 'small-verbs.smtp', '214 2.0.0'],
  ['NOOP may have an argument (§4.1.1.9)', 'small-verbs.smtp', 'NOOP whatever it is'],
  ['WIZ and DEBUG are nothing (§4.2.4)', 'small-verbs.smtp', 'c -> WIZ\nc <- 500', 'c -> DEBUG\nc <- 500'],
]

const BEHAVIOUR: readonly Row[] = [
  [
    'fourteen look-alikes do not end the data (§4.1.1.4, §2.3.8)',
    'end-of-data-lookalikes.smtp',
    ...'\\n.\\n|\\n.\\r\\n|\\r\\n.\\n|\\r\\n.\\r|\\r.\\r\\n|\\r.\\r|\\r\\n.\\u0000\\r\\n|\\r\\n\\u0000.\\r\\n|\\r\\n.\\r\\r\\n|\\n.\\r|\\r.\\n|\\n\\n.\\r\\n|\\r\\n.\\r\\u0000\\n|\\r\\u0000\\n.\\r\\n'
      .split('|')
      .map((lookalike) => `x${lookalike}NOOP`),
  ],
  ['dots are taken out behind CRLF (§4.5.2)', 'end-of-data.smtp', '..\\r\\n...b\\r\\n'],
  ['and behind nothing else (§4.5.2)', 'test/core/smtp/data-reader.test.ts', 'a dot behind a bare LF'],
  [
    'what leaves has no bare CR or LF (§2.3.8)',
    'test/core/delivery/dot-stuffing.test.ts',
    'become line ends',
  ],
  ['text behind DATA before 354 (RFC 2920 §3.1)', 'pipelined-content.smtp', 'c <. closed', 'stored 0'],
  ['an early talker (§3.1, §4.3.1)', 'early-talker.smtp', '421 4.5.1'],
  ['plaintext behind STARTTLS (RFC 3207 §4.2)', 'starttls-pipelined.smtp', 'STARTTLS\\r\\nMAIL FROM'],
  ['STARTTLS with an argument', 'starttls.smtp', 'STARTTLS now\nc <- 501'],
  ['MAIL twice (§4.1.4)', 'order.smtp', 'MAIL FROM:<b@client.example>\nc <- 503'],
  ['EHLO within a transaction (§4.1.4)', 'reset.smtp', 'EHLO client.example\nc <* 250\nc -> DATA\nc <* 503'],
  [
    'the state after a message was refused (§4.1.1.4)',
    'bare-lf-content.smtp',
    'RCPT TO:<one@example.test>\nc <* 503',
  ],
  ['unknown parameters (§4.1.1.11)', 'unknown-parameters.smtp', 'FOO=bar\nc <- 555', 'Parameter FOO'],
  ['RCPT TO:<>', 'rcpt-arguments.smtp', 'RCPT TO:<>\nc <- 501'],
  ['Postmaster in any case (§4.5.1)', 'postmaster.smtp', 'RCPT TO:<Postmaster>\nc <- 250', 'POSTMASTER@'],
  ['the null reverse-path (§4.5.5)', 'null-sender.smtp', 'MAIL FROM:<>\nc <- 250', 'stored 1'],
  [
    'nobody is told at the null reverse-path (§4.5.5)',
    'test/core/delivery/notices.test.ts',
    "reversePath: ''",
  ],
  ['quoted local parts (§4.1.2)', 'addresses.smtp', '"a b"@', '"a@b"@', '"a>b"@'],
  ['source routes (Appendix C)', 'addresses.smtp', '<@a.example,@b.example:u@example.test>\nc <* 250'],
  [
    'address literals (§4.1.3)',
    'addresses.smtp',
    '[192.0.2.1]>\nc <* 250',
    '[IPv6:',
    '[999.0.2.1]>\nc <* 501',
  ],
  ['lengths and hyphens (§4.5.3.1)', 'addresses.smtp', '"a" * 65', '"b" * 64', '-client.example>\nc <* 501'],
  ['UTF-8, control characters, tab', 'addresses.smtp', 'a\\u0001@', 'a\\tb@', '\\u00ff@'],
  ['UTF-8 without the flag (RFC 6531 §3.4)', 'smtputf8.smtp', '553 5.6.7 This address needs'],
  ['NUL in a command', 'nul-command.smtp', '\\u0000'],
  ['characters of shells', 'injection.smtp', '<;id;@', '${run{/bin/id}}', '`id`', '|id@'],
  ['command lines of 512 octets and more (§4.5.3.1.4)', 'long-command.smtp', '"x" * 2043', '"x" * 2044'],
  ['text lines of 1000 octets and more (§4.5.3.1.6)', 'long-lines.smtp', '"y" * 998', '"z" * 60000'],
  ['a hundred recipients, and 452 (§4.5.3.1.8, §4.5.3.1.10)', 'hundred-recipients.smtp', '452 4.5.3'],
  ['a loop (§6.3)', 'loop.smtp', '* 51', '554 5\\.4\\.6'],
  ['a message that is too large without SIZE (RFC 1870 §6.3)', 'oversize.smtp', 'Exactly 1000 octets', '552'],
  [
    'a client that is gone within DATA, and behind CRLF.CR',
    'half-command.smtp',
    '\\r\\n."',
    '\\r\\n.\\r"',
    'stored 0',
  ],
  ['endless NOOP, RSET and VRFY', 'junk.smtp', 'RSET\\r\\nVRFY x\\r\\nNOOP', '421 4\\.7\\.0'],
  ['endless errors and bad recipients', 'errors.smtp', '421 4\\.7\\.0 Too many errors'],
  ['idle connections of one network', 'connections.smtp', '421 4\\.7\\.0 Too many connections'],
  ['HTTP', 'http.smtp', 'POST /evil HTTP/1.1', 'c <. closed'],
  ['what is sent behind QUIT', 'after-quit.smtp', 'QUIT\\r\\nNOOP'],
  ['the timeout of the server (§4.5.3.2.7)', 'idle.smtp', '421 4.4.2'],
  ['is five minutes', 'test/config/load.test.ts', 'idleMs: 300_000'],
  ['timeouts of the client (§4.5.3.2)', 'test/config/load.test.ts', 'dotMs: 600_000', 'commandMs: 300_000'],
  [
    'the reply to the final dot comes soon (RFC 1047)',
    'test/core/hooks/hook-table.test.ts',
    'within a minute',
  ],
  ['retry (§4.5.4.1)', 'test/config/load.test.ts', 'expireMs: 432_000_000'],
  ['null MX (RFC 7505)', 'test/core/dns/mail-exchangers.test.ts', 'RFC 7505'],
]

for (const [title, rows] of [
  ['extensions', EXTENSIONS],
  ['behaviour', BEHAVIOUR],
] as const)
  for (const [what, file, ...texts] of rows)
    test(`${title}: ${what} is asked in ${file}`, () => {
      const path = file.endsWith('.smtp') ? `../dialogue/${file}` : `../../${file}`
      const source = readFileSync(new URL(path, import.meta.url), 'utf8')
      assert.ok(texts.length > 0)
      for (const text of texts)
        assert.ok(source.includes(text), `${file} does not say ${JSON.stringify(text)}`)
    })
