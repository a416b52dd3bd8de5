/**
 * Our notices read by parsers of others: Perl's MIME::Parser takes them apart, and Mail::DeliveryStatus::BounceParser,
 * written to make sense of the notices of many servers, says what they mean (RFC 3464, RFC 6522).
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { buildDsn } from '../../core/mail/dsn.ts'
import { AT, bytes, DELAYED, HEADER, HOUR, MESSAGE, report } from '../core/mail/dsn-report-under-test.ts'
import { FakeRemote } from '../support/fake-remote.ts'
import { Gateway } from '../support/gateway.ts'
import { message } from '../support/message-bytes.ts'
import { needingPerl } from '../support/peer-programs.ts'
import { until } from '../support/until.ts'

const PERL = `
use strict; use warnings;
use JSON::PP; use Mail::Header; use MIME::Parser; use Mail::DeliveryStatus::BounceParser;
local $/; my $notice = <STDIN>;
my $parser = MIME::Parser->new; $parser->output_to_core(1); $parser->extract_nested_messages(0);
my $entity = $parser->parse_data($notice);
my ($human, $status, $original) = $entity->parts;
# Names in small letters: the module writes them in a way of its own.
sub fields {
  my $head = Mail::Header->new([map { "$_\\n" } split /\\r?\\n/, $_[0]], Modify => 0);
  return { map { my $v = $head->get($_); $v =~ s/\\s+$//; (lc $_ => $v) } $head->tags };
}
my $bounce = Mail::DeliveryStatus::BounceParser->new($notice);
print JSON::PP->new->latin1->encode({
  type => $entity->mime_type, report => $entity->head->mime_attr('content-type.report-type'),
  to => $entity->head->get('To'), types => [map { $_->mime_type } $entity->parts],
  trouble => [$parser->results->errors, $parser->results->warnings],
  groups => [map { fields($_) } split /(?:\\r?\\n){2,}/, $status->bodyhandle->as_string],
  original => $original->bodyhandle->as_string,
  isBounce => $bounce->is_bounce ? JSON::PP::true : JSON::PP::false,
  messageId => $bounce->orig_message_id,
  reports => [map { my $r = $_; +{ map { ($_ => $r->get($_)) } qw(email std_reason smtp_code Reporting-MTA Status) } } $bounce->reports],
});
`
const options = needingPerl('JSON::PP', 'Mail::DeliveryStatus::BounceParser')

interface PerlView {
  readonly type: string
  readonly report: string
  readonly to: string
  readonly types: readonly string[]
  readonly trouble: readonly string[]
  /** Fields of message/delivery-status by their names in small letters: of the message, then of each recipient. */
  readonly groups: readonly Readonly<Record<string, string>>[]
  /** Decoded, with LF at the end of lines. */
  readonly original: string
  readonly isBounce: boolean
  readonly messageId: string | null
  readonly reports: readonly Readonly<Record<string, string>>[]
}

function readByPerl(notice: Uint8Array): PerlView {
  const { status, stdout, stderr } = spawnSync('perl', ['-e', PERL], { input: notice, maxBuffer: 16 << 20 })
  assert.equal(status, 0, stderr.toString())
  const view = JSON.parse(stdout.toString('latin1')) as PerlView
  return { ...view, original: withLf(view.original) }
}

const withLf = (text: string): string => text.replaceAll('\r\n', '\n')
const date = (at: number): string => new Date(at).toUTCString().replace('GMT', '+0000')

test('a notice of failure: every field, the message, and that it is a bounce', options, () => {
  const view = readByPerl(buildDsn(report()))
  assert.deepEqual(view, {
    type: 'multipart/report',
    report: 'delivery-status',
    to: '<alice@example.com>\n',
    types: ['text/plain', 'message/delivery-status', 'message/rfc822'],
    trouble: [],
    groups: [
      {
        'original-envelope-id': 'QQ314159',
        'reporting-mta': 'dns; mx.example.test',
        'arrival-date': date(AT - 2 * HOUR),
        'x-postern-queue-id': 'q_0123456789bc',
      },
      {
        'original-recipient': 'rfc822; robert@example.org',
        'final-recipient': 'rfc822; bob@example.org',
        action: 'failed',
        status: '5.1.1',
        'remote-mta': 'dns; mx.example.org',
        'diagnostic-code': 'smtp; 550 5.1.1 No such user Ask Eve',
        'last-attempt-date': date(AT - HOUR),
      },
    ],
    original: withLf(MESSAGE),
    isBounce: true,
    messageId: '<1@example.com>',
    reports: [
      {
        email: 'robert@example.org',
        std_reason: 'user_unknown',
        smtp_code: '550',
        'Reporting-MTA': 'dns; mx.example.test',
        Status: '5.1.1',
      },
    ],
  })
})

test('a notice of delay, with the header alone, is no bounce', options, () => {
  const view = readByPerl(buildDsn(report({ recipients: [DELAYED], envelope: { ret: null, envid: null } })))
  assert.deepEqual(view.types, ['text/plain', 'message/delivery-status', 'text/rfc822-headers'])
  assert.deepEqual(view.trouble, [])
  assert.equal(view.groups.length, 2)
  assert.deepEqual(view.groups[1], {
    'final-recipient': 'rfc822; "carol d"@example.net',
    action: 'delayed',
    status: '4.4.1',
    'remote-mta': 'dns; [192.0.2.7]',
    'diagnostic-code': 'x-postern; connection timed out',
    'last-attempt-date': date(AT - HOUR),
    'will-retry-until': date(AT + 96 * HOUR),
  })
  assert.equal(view.original, withLf(HEADER))
  assert.equal(view.isBounce, false)
})

test('a header that SMTP could not carry is decoded to the octets it had', options, () => {
  const header = `A: \0bare\rand k\xf6ln =20 \r\nB: ${'x '.repeat(600)}\r\n\t\r\nC: =\r\n`
  const original = { bytes: bytes(`${header}\r\nbody`), isWhole: true }
  const view = readByPerl(buildDsn(report({ envelope: { ret: 'HDRS', envid: null }, original })))
  assert.deepEqual(view.trouble, [])
  assert.equal(view.original, withLf(header))
})

test('the notice of a whole gateway says what the remote said', options, async () => {
  const remote = await FakeRemote.start(({ verb }) =>
    verb === 'rcpt' ? '550 5.2.1 Account closed' : undefined,
  )
  try {
    await using gateway = await Gateway.start({ outbound: { route: remote.route } })
    using client = await gateway.greeted()
    await client.expect('250', 'MAIL FROM:<anna@example.test> RET=FULL ENVID=order+2B7')
    await client.expect('250', 'RCPT TO:<bob@elsewhere.example> ORCPT=rfc822;robert@elsewhere.example')
    await client.expect('354', 'DATA')
    const sent = message('refused', ['Not wanted there'])
    client.raw(sent)
    await client.expect('250', '.')
    await until(() => gateway.kept().length === 1, 'the notice in the maildir')
    const view = readByPerl(gateway.kept()[0] ?? Buffer.alloc(0))
    assert.deepEqual(view.trouble, [])
    const [ofMessage, ofRecipient] = view.groups
    assert.equal(ofMessage?.['original-envelope-id'], 'order+7')
    assert.equal(ofMessage?.['reporting-mta'], 'dns; mx.example.test')
    assert.equal(ofRecipient?.['original-recipient'], 'rfc822; robert@elsewhere.example')
    assert.equal(ofRecipient?.['final-recipient'], 'rfc822; bob@elsewhere.example')
    assert.equal(ofRecipient?.['action'], 'failed')
    assert.equal(ofRecipient?.['status'], '5.2.1')
    assert.equal(ofRecipient?.['diagnostic-code'], 'smtp; 550 5.2.1 Account closed')
    assert.ok(view.original.endsWith(withLf(sent.toString('latin1'))))
    assert.deepEqual(
      view.reports.map(({ email, std_reason }) => ({ email, std_reason })),
      [{ email: 'robert@elsewhere.example', std_reason: 'user_disabled' }],
    )
  } finally {
    await remote.stop()
  }
})
