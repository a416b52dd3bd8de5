/**
 * Entry of a plughost: isolates and nothing else. It sees no socket, file or key of the gateway: frames come in and go
 * out over file descriptor 3, and who is being run stands in descriptor 4, so that a death can be blamed.
 */
import { writeSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { Socket } from 'node:net'
import { type Frame, FrameBatch, FrameReader } from '../protocol/frames.ts'
import { type LoadRequest, type PrepareRequest, TO_HOST, TO_WORKER } from '../protocol/messages.ts'
import { Chains } from './chain.ts'
import { IsolateFault, prepareIsolate } from './engine.ts'
import type { Route } from './turn-queue.ts'

const WIRE = 3
const BREADCRUMB = 4
/** A worker that hears nothing for longer than a slice gets suspicious: what is ready leaves at least this often. */
const SPEAK_EVERY_MS = 20

const wire = new Socket({ fd: WIRE, readable: true, writable: true })
const reader = new FrameReader()
const batch = new FrameBatch()
/** Plugin and call; little-endian like every machine Node runs on. */
const breadcrumb = new Uint32Array(2)
/** Frames read, and those whose work is done: while there is a difference the worker must not stop watching. */
let taken = 0
let dealtWith = 0
let spokeAt = 0
/** Isolates still to be made ahead; null: none. */
let wished: PrepareRequest | null = null

const chains = new Chains({
  quiet: (calls, reports) => batch.add(TO_WORKER.quiet, 0, JSON.stringify([calls, reports])),
  reports: (call, reports) => batch.add(TO_WORKER.reports, call, JSON.stringify(reports)),
  effect: (call, effect, plugin, method, args) =>
    batch.add(TO_WORKER.effect, call, JSON.stringify([effect, plugin, method, args])),
  log: (call, plugin, level, text, fields) =>
    batch.add(TO_WORKER.log, call, JSON.stringify([plugin, level, text, fields])),
  entering: leaveBreadcrumb,
  // One stay after the other may be within its time and all of them together not: the worker hears from us between.
  isOverdue: (now) => now - spokeAt > SPEAK_EVERY_MS,
  speak,
})

// The parent decides when this process ends; a terminal's Ctrl-C reaches the whole group.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => {})
process.on('SIGHUP', () => {})

wire.on('data', (chunk: Buffer) => {
  for (const frame of reader.push(chunk)) {
    obey(frame)
    taken = (taken + 1) >>> 0
    if (frame.type === TO_HOST.load) speak()
  }
  chains.work()
  if (wished === null) dealtWith = taken
  leaveBreadcrumb(0, 0)
  speak()
})
wire.on('end', () => process.exit(0))
wire.on('error', () => process.exit(0))
// It is killed in the end, so what was compiled of its own code is kept now, before any plugin's.
flushCompileCache()
batch.add(TO_WORKER.ready, 0, '')
speak()

function obey({ type, id, payload }: Frame): void {
  if (type === TO_HOST.ask) return ask(id, payload)
  if (type === TO_HOST.result) return settle(id, payload)
  if (type === TO_HOST.cancel) return chains.cancel(id)
  if (type === TO_HOST.load) return load(id, payload)
  if (type === TO_HOST.prepare) return prepare(payload)
  throw new Error(`unknown frame type ${type}`)
}

/** Routes by what stands in a frame: as many as there are hooks, and ends of a hook's list of plugins. */
const routes = new Map<string, Route>()

function ask(call: number, payload: string): void {
  const headEnd = payload.indexOf('\n')
  const eventEnd = payload.indexOf('\n', headEnd + 1)
  const subjectEnd = payload.indexOf('\n', eventEnd + 1)
  const subjectJsonAt = payload.indexOf('{', eventEnd)
  const hasSubject = subjectJsonAt >= 0 && subjectJsonAt < subjectEnd
  const [hook = '', plugins = '', now, seed, watched] = payload.slice(0, headEnd).split(' ')
  const head = {
    route: routeOf(hook, plugins),
    now: Number(now),
    seed: Number(seed),
    watched: watched === '1',
  }
  chains.ask(call, head, {
    event: payload.slice(headEnd + 1, eventEnd),
    subject: hasSubject ? payload.slice(eventEnd + 1, subjectJsonAt) : '',
    subjectJson: hasSubject ? payload.slice(subjectJsonAt, subjectEnd) : '',
    fields: payload.slice(subjectEnd + 1),
  })
}

function routeOf(hook: string, plugins: string): Route {
  const key = `${hook} ${plugins}`
  let route = routes.get(key)
  if (route === undefined) {
    route = { hook, plugins: plugins === '' ? [] : plugins.split(',').map(Number) }
    routes.set(key, route)
  }
  return route
}

/** `[effect,plugin,ok]` or `[effect,plugin,ok,value]`. The value stays text: it is parsed in the isolate, and may be long. */
function settle(call: number, payload: string): void {
  const first = payload.indexOf(',')
  const second = payload.indexOf(',', first + 1)
  const third = payload.indexOf(',', second + 1)
  const end = payload.length - 1
  const effect = Number(payload.slice(1, first))
  const plugin = Number(payload.slice(first + 1, second))
  const ok = payload.slice(second + 1, third < 0 ? end : third) === 'true'
  chains.settle(call, plugin, { effect, ok, json: third < 0 ? '' : payload.slice(third + 1, end) })
}

function prepare(payload: string): void {
  if (wished === null) setImmediate(prepareOne)
  wished = JSON.parse(payload) as PrepareRequest
}

/** Between two of them there is time for whoever takes this process over before all are made. */
function prepareOne(): void {
  if (wished === null) return
  try {
    if (prepareIsolate(wished)) {
      setImmediate(prepareOne)
      return speak()
    }
  } catch (error) {
    // Too slow just now, or too little memory: a plugin that finds none makes its own.
    if (!(error instanceof IsolateFault)) throw error
  }
  wished = null
  dealtWith = taken
  speak()
}

function load(plugin: number, payload: string): void {
  // Whoever has plugins needs no more than there are.
  wished = null
  try {
    const loaded = chains.load(plugin, JSON.parse(payload) as LoadRequest)
    batch.add(TO_WORKER.loaded, plugin, JSON.stringify(loaded))
  } catch (error) {
    const { message } = error as Error
    const kind = error instanceof IsolateFault ? error.kind : 'configuration'
    const stack = error instanceof IsolateFault ? error.isolateStack : ''
    batch.add(TO_WORKER.loadFailed, plugin, JSON.stringify({ kind, message, stack }))
  }
}

function speak(): void {
  spokeAt = performance.now()
  batch.add(TO_WORKER.progress, dealtWith, '')
  wire.write(batch.take())
}

function leaveBreadcrumb(plugin: number, call: number): void {
  breadcrumb[0] = plugin
  breadcrumb[1] = call
  writeSync(BREADCRUMB, breadcrumb, 0, 8, 0)
}
