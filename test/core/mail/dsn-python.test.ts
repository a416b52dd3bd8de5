import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import fc from 'fast-check'
import { buildDsn } from '../../../core/mail/dsn.ts'
import { anyReport } from './dsn-any-report.ts'
import { assertLines, bytes, DELAYED, FAILED, MESSAGE, report } from './dsn-report-under-test.ts'

/** Reads a list of notices in base64, writes what it sees in each. */
const PYTHON = `
import base64, email, email.policy, json, sys
policy = email.policy.compat32.clone(linesep='\\r\\n', max_line_length=None)
def view(notice):
  message = email.message_from_bytes(base64.b64decode(notice))
  human, status, original = message.get_payload()
  whole = original.get_content_maintype() == 'message' and original.get_content_type() != 'message/global-headers'
  content = original.get_payload(0).as_bytes(policy=policy) if whole else original.get_payload(decode=True)
  return {
    'type': message.get_content_type(), 'report': message.get_param('report-type'),
    'to': str(message['To']), 'auto': message['Auto-Submitted'],
    'defects': [str(d) for part in message.walk() for d in part.defects],
    'types': [part.get_content_type() for part in (human, status, original)],
    'text': human.get_payload(decode=True).decode(human.get_content_charset()),
    'groups': [[(k, str(v)) for k, v in group.items()] for group in status.get_payload()],
    'original': content.decode('latin1'),
  }
json.dump([view(notice) for notice in json.load(sys.stdin)], sys.stdout)
`
const python = spawnSync('python3', ['-c', 'import email'])
const skip = python.status !== 0 && 'python3 was not found, so no parser but our own has read a notice'

interface PythonView {
  readonly type: string
  readonly report: string
  readonly to: string
  readonly auto: string
  readonly defects: readonly string[]
  readonly types: readonly string[]
  readonly text: string
  readonly groups: readonly (readonly (readonly [string, string])[])[]
  readonly original: string
}

function readByPython(...notices: readonly Uint8Array[]): readonly PythonView[] {
  const input = JSON.stringify(notices.map((notice) => Buffer.from(notice).toString('base64')))
  const { status, stdout, stderr } = spawnSync('python3', ['-c', PYTHON], { input, maxBuffer: 64 << 20 })
  assert.equal(status, 0, stderr.toString())
  return JSON.parse(stdout.toString()) as PythonView[]
}

test('Python’s parser reads a notice of two recipients with the message', { skip }, () => {
  const [view] = readByPython(buildDsn(report({ recipients: [FAILED, DELAYED] })))
  assert.ok(view !== undefined)
  assert.deepEqual(
    { ...view, text: '', groups: [] },
    {
      type: 'multipart/report',
      report: 'delivery-status',
      to: '<alice@example.com>',
      auto: 'auto-replied',
      defects: [],
      types: ['text/plain', 'message/delivery-status', 'message/rfc822'],
      text: '',
      groups: [],
      original: MESSAGE,
    },
  )
  assert.match(view.text, /<bob@example\.org>/)
  assert.equal(view.groups.length, 3)
  assert.deepEqual(
    view.groups.slice(1).map((group) => group.find(([name]) => name === 'Action')?.[1]),
    ['failed', 'delayed'],
  )
  const fields = new Map(view.groups[1])
  assert.equal(fields.get('Original-Recipient'), 'rfc822; robert@example.org')
  assert.equal(fields.get('Diagnostic-Code'), 'smtp; 550 5.1.1 No such user Ask Eve')
})

test('Python’s parser decodes a broken header to the octets it had', { skip }, () => {
  const header = `A: \0bare\rand\nk\xf6ln =20 \r\nB: ${'x '.repeat(600)}\r\n\t\r\nC: =\r\n`
  const envelope = { ret: 'HDRS', envid: null } as const
  const dsn = buildDsn(report({ envelope, original: { bytes: bytes(`${header}\r\nbody`), isWhole: true } }))
  assertLines(dsn)
  const [view] = readByPython(dsn)
  assert.ok(view !== undefined)
  assert.deepEqual(view.defects, [])
  assert.equal(view.types[2], 'text/rfc822-headers')
  assert.equal(view.original, header)
})

test('Python’s parser sees no more than three parts whatever the texts are', { skip }, () => {
  const notices = fc.sample(anyReport, { numRuns: 200, seed: 1 }).map(buildDsn)
  for (const view of readByPython(...notices)) {
    assert.equal(view.type, 'multipart/report')
    assert.equal(view.types.length, 3)
    // It knows the groups of the older type alone.
    if (view.types[1] === 'message/delivery-status') assert.equal(view.groups.length, 3)
  }
})
