/** Every kind of mistake in a configuration, and the exact words it is answered with. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadConfig, parseConfig } from '../../config/load.ts'
import { formatProblem, PROBLEM_CODES } from '../../config/problem.ts'
import { mistakesOfForm } from './mistakes/form.ts'
import { mistakesOfMeaning } from './mistakes/meaning.ts'

const mistakes = [...mistakesOfForm, ...mistakesOfMeaning]

for (const { name, text, report } of mistakes)
  test(`mistake: ${name}`, () => assert.equal(printed(text), report))

test('all mistakes are told at once, in the order of the file', () => {
  const text = 'dkim: {}\nqueue:\n  lease: soon\nhostnme: x\nrelay: { networks: [::/0] }\n'
  const loaded = parseConfig(text.replace('::/0', '"::/0"'), 'postern.yaml', {})
  assert.ok(!loaded.ok)
  assert.deepEqual(
    loaded.problems.map(({ code, place }) => `${code} ${place}`),
    [
      'P1150 postern.yaml:1:1',
      'P1126 postern.yaml:3:10',
      'P1101 postern.yaml:4:1',
      'P1130 postern.yaml:5:21',
    ],
  )
})

test('a file that cannot be read is one problem, with the file for its place', () => {
  const loaded = loadConfig('/nowhere/postern.yaml', {})
  assert.ok(!loaded.ok)
  assert.equal(
    loaded.problems.map(formatProblem).join('\n'),
    'P1100  /nowhere/postern.yaml  The configuration file does not exist.\nFix: name another one with --config FILE',
  )
})

test('every code that is listed is one that a mistake above is answered with', () => {
  const seen = mistakes.flatMap(({ report }) => report.match(/^P\d{4}/gm) ?? [])
  assert.deepEqual(
    [...new Set([...seen, 'P1100', 'P1133', 'P1140', 'P1141', 'P1142', 'P1143', 'P1150'])].toSorted(),
    Object.keys(PROBLEM_CODES),
  )
})

test('a long line is shown around the mistake', () => {
  const text = `relay: { networks: [${'10.0.0.0/8, '.repeat(30)}nonsense, ${'10.0.0.0/8, '.repeat(30)}] }`
  const loaded = parseConfig(text, 'postern.yaml', {})
  assert.ok(!loaded.ok)
  const [line = '', mark = ''] = loaded.problems[0]?.frame?.split('\n') ?? []
  assert.ok(line.length < 120)
  assert.equal(line.slice(mark.indexOf('^'), mark.lastIndexOf('^') + 1), 'nonsense')
})

test('nothing in a file can write to the terminal it is reported on', () => {
  const text = '"\\e[31mred\\u202e": "\\x9b"\nhostname: "\\e]0;title\\a\u009b\u202e"\n'
  // oxlint-disable-next-line no-control-regex
  assert.doesNotMatch(printed(text), /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]/)
})

function printed(text: string): string {
  const loaded = parseConfig(text, 'postern.yaml', {})
  return loaded.ok ? '' : loaded.problems.map(formatProblem).join('\n')
}
