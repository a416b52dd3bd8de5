// What a plughost taken over by its plugin could say: it speaks the protocol and lies as the plugin's configuration tells
// it. Without types and imports of ours, so that it is there at once however often it is killed.
import { Socket } from 'node:net'

const TO_HOST = { load: 1, ask: 2, result: 3 }
const TO_WORKER = { ready: 64, loaded: 65, reports: 67, effect: 68, log: 69, progress: 70, quiet: 71 }

const wire = new Socket({ fd: 3, readable: true, writable: true })
let pending = Buffer.alloc(0)
let lie = () => {}
let heard = 0

function frame(type, id, payload) {
  const body = Buffer.from(payload)
  const head = Buffer.alloc(9)
  head.writeUInt32LE(5 + body.length, 0)
  head[4] = type
  head.writeUInt32LE(id, 5)
  return Buffer.concat([head, body])
}

function say(type, id, payload) {
  wire.write(frame(type, id, typeof payload === 'string' ? payload : JSON.stringify(payload)))
}

/** About this recipient it tells the truth. */
const WELL = '"localPart":"well"'

function answer(call, plugin = 1) {
  say(TO_WORKER.reports, call, [[plugin, 0, 1, 1]])
}

/** The same frame for ever, as fast as the worker reads. */
function flood(type, id, payload) {
  const bytes = Buffer.concat(Array.from({ length: 5_000 }, () => frame(type, id, payload)))
  const on = () => {
    while (wire.write(bytes));
    wire.once('drain', on)
  }
  on()
}

function lengthPrefix(octets) {
  const prefix = Buffer.alloc(4)
  prefix.writeUInt32LE(octets)
  wire.write(prefix)
}

const LIES = {
  truth: (call) => answer(call),
  'foreign call': (call) => answer(call + 1_000),
  'another plugin': (call) => answer(call, 99),
  'no plugin at all': (call) => say(TO_WORKER.reports, call, [['x', 0, 1, 1]]),
  'a report of no kind': (call) => say(TO_WORKER.reports, call, [[1, 9, 1, 1]]),
  'quiet about a foreign call': (call) => say(TO_WORKER.quiet, 0, [[call + 1_000], [[1, 0, 1, 1]]]),
  'quiet about another plugin': (call) => say(TO_WORKER.quiet, 0, [[call], [[99, 0, 1, 1]]]),
  'an opinion that is quiet': (call) => say(TO_WORKER.quiet, 0, [[call], [[1, 1, 1, 1, [null, []]]]]),
  'a frame of 1 GiB': () => lengthPrefix(2 ** 30),
  'a frame of nothing': () => lengthPrefix(0),
  'no JSON': (call) => say(TO_WORKER.reports, call, '{'),
  'deep JSON': (call) => say(TO_WORKER.reports, call, '['.repeat(1_000_000)),
  'a frame of no type': (call) => say(200, call, ''),
  'ready again': () => say(TO_WORKER.ready, 0, ''),
  'a plugin it was not given': () => say(TO_WORKER.loaded, 7, { manifest: {}, heapBytes: 0, wallMicros: 0 }),
  'an answer after the end': (call) => {
    answer(call)
    answer(call)
  },
  'an effect of a foreign call': (call) => say(TO_WORKER.effect, call + 1_000, [1, 1, 'kv.get', ['a']]),
  'a flood of effects': (call) => flood(TO_WORKER.effect, call, JSON.stringify([1, 1, 'kv.get', ['a']])),
  'a flood of log lines': () => flood(TO_WORKER.log, 0, JSON.stringify([1, 'info', 'x'.repeat(100), {}])),
  'a flood of frames': () => flood(TO_WORKER.progress, 12_345, ''),
  'an unknown effect': (call) => say(TO_WORKER.effect, call, [1, 1, 'file.read', ['/etc/passwd']]),
  'a huge effect': (call) => say(TO_WORKER.effect, call, [1, 1, 'kv.set', ['a', 'x'.repeat(100_000)]]),
  silence: () => {},
}

function hear(type, id, payload) {
  if (type === TO_HOST.load) {
    lie = LIES[JSON.parse(payload).config] ?? lie
    say(TO_WORKER.loaded, id, { manifest: {}, heapBytes: 0, wallMicros: 0 })
  } else if (type === TO_HOST.ask) (payload.includes(WELL) ? LIES.truth : lie)(id)
  else if (type === TO_HOST.result) {
    // What it was told stands in its answer, so that the test sees it.
    const [, , ok, value] = JSON.parse(payload)
    say(TO_WORKER.reports, id, [[1, 1, 1, 1, [{ kind: 'pass', ok, value }, []]]])
  }
}

wire.on('data', (chunk) => {
  pending = Buffer.concat([pending, chunk])
  while (pending.length >= 4 && pending.length >= 4 + pending.readUInt32LE(0)) {
    const end = 4 + pending.readUInt32LE(0)
    hear(pending[4], pending.readUInt32LE(5), pending.toString('utf8', 9, end))
    pending = pending.subarray(end)
    heard++
  }
  // Else it would get no more, and there would be no more to lie about.
  say(TO_WORKER.progress, heard, '')
})
wire.on('end', () => process.exit(0))
wire.on('error', () => process.exit(0))
say(TO_WORKER.ready, 0, '')
