/** The rules of bounce classes: the file, and what the gateway's own make of replies as servers say them. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { OWN_BOUNCE_CLASSES, readBounceClasses } from '../../config/bounce-classes.ts'
import type { Config } from '../../config/config.ts'
import { BounceClasses } from '../../core/mail/bounce-classes.ts'
import { enhancedStatusOf } from '../../core/mail/enhanced-status.ts'
import { TemporaryFolder } from '../support/temporary-folder.ts'

const PLACE = 'postern.yaml:1:1'

function read(file: string | null): ReturnType<typeof readBounceClasses> {
  return readBounceClasses({ outbound: { bounceClasses: { file, place: PLACE } } } as Config)
}

function own(): BounceClasses {
  const found = read(null)
  assert.ok('rules' in found, JSON.stringify(found))
  return new BounceClasses(found.rules)
}

/** Replies in the manner of the servers that are met most, and what an admin would call them. */
const REPLIES: readonly (readonly [reply: string, expected: string])[] = [
  [
    '550 5.1.1 <bob@example.org>: Recipient address rejected: User unknown in local recipient table',
    'bad-mailbox',
  ],
  [
    '550-5.1.1 The email account that you tried to reach does not exist. Please try\r\n550 5.1.1 double-checking',
    'bad-mailbox',
  ],
  ['550 5.4.1 Recipient address rejected: Access denied. [ABC.eur05.prod.example]', 'bad-mailbox'],
  ['550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup', 'bad-mailbox'],
  ['550 No such user here', 'bad-mailbox'],
  ['553 sorry, no mailbox here by that name. (#5.7.1)', 'bad-mailbox'],
  ['550 Unrouteable address', 'bad-mailbox'],
  ['550 5.1.6 mailbox has moved', 'bad-mailbox'],
  ['550 5.2.1 The email account that you tried to reach is disabled.', 'inactive-mailbox'],
  ['550 5.2.1 The email account that you tried to reach is inactive', 'inactive-mailbox'],
  ["554 delivery error: dd This user doesn't have an account", 'bad-mailbox'],
  ['452 4.2.2 The email account that you tried to reach is over quota', 'quota'],
  ['552 5.2.2 mailbox full', 'quota'],
  ['554 5.2.2 STOREDRV.Deliver; quota exceeded', 'quota'],
  ['552 5.3.4 Message size exceeds fixed limit', 'size'],
  ['552 5.2.3 message length exceeds administrative limit', 'size'],
  ['550 5.7.1 [192.0.2.1] Our system has detected that this message is likely unsolicited mail.', 'spam'],
  ['554 5.7.1 This message has been blocked because it contains spam.', 'spam'],
  ['550 5.7.1 Message contains a virus (Eicar-Test-Signature)', 'virus'],
  ['552 5.7.0 This message was blocked because its content presents a security issue: attachment', 'content'],
  ['554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org', 'reputation'],
  [
    "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Your network is on our block list",
    'reputation',
  ],
  [
    '421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints',
    'busy',
  ],
  ['550 5.7.25 The IP address sending this message does not have a PTR record', 'reputation'],
  ['450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]', 'reputation'],
  [
    "550 5.7.26 Unauthenticated email from example.com is not accepted due to domain's DMARC policy",
    'authentication',
  ],
  ['550 5.7.23 The message was rejected because of Sender Policy Framework violation', 'authentication'],
  ['550 5.7.509 Access denied, sending domain does not pass DMARC verification', 'authentication'],
  ['451 4.7.1 Greylisting in action, please come back later', 'greylisted'],
  ['450 4.2.0 <bob@example.org>: Recipient address rejected: Greylisted', 'greylisted'],
  ['451 4.7.1 Try again later', 'greylisted'],
  ['421 4.7.28 Our system has detected an unusual rate of unsolicited mail: rate limit', 'rate'],
  ['450 4.7.1 Error: too many messages from 192.0.2.1', 'rate'],
  ['421 4.7.0 Too many concurrent SMTP connections', 'rate'],
  ['554 5.7.1 <bob@example.net>: Relay access denied', 'relaying'],
  ['550 relay not permitted', 'relaying'],
  ['550 5.1.8 <x@nowhere.invalid>: Sender address rejected: Domain not found', 'bad-sender'],
  ['450 4.1.8 <x@nowhere.invalid>: Sender address rejected: Domain not found', 'bad-sender'],
  ['553 5.1.2 Domain not found', 'bad-domain'],
  ['556 5.1.10 Recipient address has null MX', 'bad-domain'],
  ['554 5.4.6 Too many hops', 'loop'],
  ['451 4.4.3 Temporary DNS failure', 'dns'],
  ['530 5.7.0 Must issue a STARTTLS command first', 'tls'],
  ['550 5.7.30 REQUIRETLS support required', 'tls'],
  ['421 4.3.2 System not accepting network messages', 'busy'],
  ['451 4.3.0 Temporary local problem - please try later', 'busy'],
  ['421 too busy', 'busy'],
  ['550 5.7.1 Command rejected', 'policy'],
  ['550 Administrative prohibition', 'policy'],
  ['503 5.5.1 Bad sequence of commands', 'protocol'],
  ['502 what?', 'protocol'],
  ['554 Transaction failed', 'other'],
  ['451 hm', 'busy'],
  ['499 whatever', 'transient'],
]

for (const [reply, expected] of REPLIES)
  test(`${reply.slice(0, 70).replace(/\r\n/g, ' / ')}: ${expected}`, () => {
    const code = Number(reply.slice(0, 3))
    assert.equal(own().classOf({ code, status: enhancedStatusOf(code, reply), text: reply }), expected)
  })

test('the classes of the rules are those of the documents', () => {
  const found = read(null)
  assert.ok('rules' in found)
  const text = readFileSync(join(OWN_BOUNCE_CLASSES, '..', '..', 'docs', 'metrics.md'), 'utf8')
  const listed = /^Classes come from rules.*?Without a reply/ms.exec(text)?.[0] ?? ''
  const documented = [...listed.matchAll(/`([a-z-]+)`/g)].map(([, name = '']) => name)
  const ofTheRules = new Set(found.rules.map((rule) => rule.class))
  // Said of what met no reply, and found by the status of our own.
  for (const name of ['unreachable', 'broken-off']) ofTheRules.delete(name)
  assert.deepEqual(new Set(documented), new Set([...ofTheRules, 'other']))
})

test("a file of one's own takes their place", async () => {
  await using folder = await TemporaryFolder.make()
  const file = join(folder.path, 'rules.yaml')
  writeFileSync(file, '- { class: mine, code: [45x], status: [4.7.x], text: [Come  Back] }\n')
  const found = read(file)
  assert.ok('rules' in found)
  const classes = new BounceClasses(found.rules)
  const heard = { code: 450, status: '4.7.12', text: '450-4.7.12 please COME\r\n450 4.7.12 back' }
  assert.equal(classes.classOf(heard), 'mine')
  assert.equal(classes.classOf({ ...heard, code: 550 }), 'other')
  assert.equal(classes.classOf({ ...heard, status: '4.2.12' }), 'other')
  assert.equal(classes.classOf({ ...heard, text: 'go away' }), 'other')
})

const MISTAKES: readonly (readonly [text: string, message: RegExp])[] = [
  ['a: b', /is no list of rules/],
  ['- spam', /Rule 1 .*: it is no rule/],
  ['- { text: [abc] }', /"class" needs a word/],
  ['- { class: Spam!, text: [abc] }', /"class" needs a word/],
  ['- { class: spam }', /it fits everything/],
  ['- { class: spam, regex: [abc] }', /there is no "regex"/],
  ['- { class: spam, text: abc }', /"text" needs a list/],
  ['- { class: spam, text: [] }', /"text" needs a list/],
  ['- { class: spam, text: [ab] }', /"ab" cannot stand in "text"/],
  ['- { class: spam, code: [1xx] }', /"1xx" cannot stand in "code"/],
  ['- { class: spam, code: ["(a+)+"] }', /cannot stand in "code"/],
  ['- { class: spam, status: [5.7] }', /"5\.7" cannot stand in "status"/],
  [
    Array.from({ length: 65 }, (_, i) => `- { class: c${i}, code: [550] }`).join('\n'),
    /65 classes, more than 64/,
  ],
]

for (const [text, message] of MISTAKES)
  test(`told: ${message.source}`, async () => {
    await using folder = await TemporaryFolder.make()
    const file = join(folder.path, 'rules.yaml')
    writeFileSync(file, text)
    const found = read(file)
    assert.ok('problems' in found)
    const [problem] = found.problems
    assert.deepEqual([problem?.code, problem?.place], ['P1133', PLACE])
    assert.match(problem?.message ?? '', message)
  })

test('a file that is not there, or no YAML, is told too', async () => {
  await using folder = await TemporaryFolder.make()
  const missing = read(join(folder.path, 'none.yaml'))
  assert.ok('problems' in missing)
  assert.match(missing.problems[0]?.message ?? '', /none\.yaml does not exist/)
  const file = join(folder.path, 'rules.yaml')
  writeFileSync(file, '- [')
  const broken = read(file)
  assert.ok('problems' in broken)
  assert.match(broken.problems[0]?.place ?? '', /rules\.yaml:1:/)
})

test('a reply of ten megabytes costs no more than a short one', () => {
  const classes = own()
  const startedAt = performance.now()
  classes.classOf({ code: 550, status: '5.0.0', text: `550 ${'\r\n550-5.1.1 '.repeat(900_000)}` })
  assert.ok(performance.now() - startedAt < 1_000)
})
