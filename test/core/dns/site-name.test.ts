import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shuffled } from '../../../core/dns/shuffle.ts'
import { siteName } from '../../../core/dns/site-name.ts'
import { seededRandom } from '../../support/seeded-random.ts'

/** Hosts in the order of their preference. */
function ranked(...names: readonly string[]): readonly { name: string; preference: number }[] {
  return names.map((name, i) => ({ name, preference: 10 * i }))
}

function equal(...names: readonly string[]): readonly { name: string; preference: number }[] {
  return names.map((name) => ({ name, preference: 10 }))
}

const GMAIL = 'gmail-smtp-in.l.google.com'

for (const { hosts, name } of [
  { hosts: [], name: '' },
  { hosts: ranked('mx.d.test'), name: 'mx.d.test' },
  { hosts: ranked('MX.d.test'), name: 'mx.d.test' },
  { hosts: ranked('mx1.d.test', 'mx2.d.test'), name: '(mx1|mx2).d.test' },
  { hosts: ranked('mx2.d.test', 'mx1.d.test'), name: '(mx2|mx1).d.test' },
  { hosts: ranked(GMAIL, `alt1.${GMAIL}`, `alt2.${GMAIL}`), name: `(alt1|alt2)?.${GMAIL}` },
  { hosts: ranked(`mx.${GMAIL}`, GMAIL), name: `(mx)?.${GMAIL}` },
  { hosts: ranked('a.x.test', 'b.x.test', 'a.y.test', 'b.y.test'), name: '(a|b).(x|y).test' },
  // The short form would stand for a.y.test too.
  { hosts: ranked('a.x.test', 'b.y.test'), name: 'a.x.test|b.y.test' },
  { hosts: ranked('mx.one.test', 'mx.two.example'), name: 'mx.one.test|mx.two.example' },
  { hosts: ranked('a.b.c.test', 'c.test'), name: 'a.b.c.test|c.test' },
]) {
  test(`${hosts.map((host) => host.name).join(', ') || 'no hosts'}: ${name || 'no name'}`, () => {
    assert.equal(siteName(hosts), name)
  })
}

test('hosts of the same preference have one name, in whatever order they come', () => {
  const random = seededRandom(9)
  const hosts = equal('mx3.d.test', 'mx1.d.test', 'mx2.d.test')
  for (let i = 0; i < 20; i++) assert.equal(siteName(shuffled(hosts, random)), '(mx1|mx2|mx3).d.test')
})

test('many long names have a short one that still tells them apart', () => {
  const long = (i: number): string => `${'x'.repeat(60)}${i}.${'y'.repeat(60)}${i}.test`
  const one = siteName(equal(...Array.from({ length: 10 }, (_, i) => long(i))))
  const other = siteName(equal(...Array.from({ length: 9 }, (_, i) => long(i)), long(99)))
  assert.ok(one.length <= 255 && other.length <= 255)
  assert.notEqual(one, other)
  assert.match(one, /^x{60}0\.y{60}0\.test\|\+9\|[0-9a-f]{32}$/)
})

test('two sets of hosts never share a name', () => {
  // Every set of up to six of these names: where two have the same name, mail for one would go to hosts of the other.
  const pool = [
    'test',
    'b.test',
    'c.test',
    'a.b.test',
    'a.c.test',
    'd.b.test',
    'd.c.test',
    'x.a.b.test',
    'x.d.c.test',
  ]
  const seen = new Map<string, string>()
  for (let bits = 1; bits < 1 << pool.length; bits++) {
    const names = pool.filter((_, i) => ((bits >> i) & 1) === 1)
    for (const hosts of [ranked(...names), ranked(...names.toReversed()), equal(...names)]) {
      const name = siteName(hosts)
      const set = names.join(' ')
      assert.equal(seen.get(name) ?? set, set, name)
      seen.set(name, set)
    }
  }
})
