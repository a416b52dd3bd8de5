// Runs first in every plugin's isolate, before a line of the plugin. It takes away what a plugin must not have, gives
// it a clock and a random source of the worker's, and turns calls into commands: jobs come in, commands go out, only
// numbers and strings cross. It is a convenience, not the border: every effect is checked again by the worker.
;(() => {
  'use strict'
  // Taken before the plugin can change them.
  const { apply, construct, defineProperty } = Reflect
  const { parse, stringify } = JSON
  const { freeze, keys } = Object
  const ErrorClass = Error
  const TypeErrorClass = TypeError
  const RangeErrorClass = RangeError
  const MapClass = Map
  const PromiseClass = Promise
  const DateClass = Date
  const uncurry =
    (method) =>
    (self, ...args) =>
      apply(method, self, args)
  const sliceOf = uncurry(String.prototype.slice)
  const lowerCaseOf = uncurry(String.prototype.toLowerCase)
  const replaceIn = uncurry(String.prototype.replace)
  const joinOf = uncurry(Array.prototype.join)
  const mapGet = uncurry(MapClass.prototype.get)
  const mapSet = uncurry(MapClass.prototype.set)
  const mapDelete = uncurry(MapClass.prototype.delete)
  const thenOf = uncurry(PromiseClass.prototype.then)
  const push = uncurry(Array.prototype.push)

  // Memory that no limit counts (WebAssembly, shared and growable buffers), timing by shared memory, and callbacks
  // that run when nobody is asking.
  for (const name of ['WebAssembly', 'SharedArrayBuffer', 'Atomics', 'FinalizationRegistry', 'WeakRef']) {
    delete globalThis[name]
  }
  const BufferClass = ArrayBuffer
  const bufferPrototype = BufferClass.prototype
  for (const name of ['resize', 'maxByteLength', 'resizable', 'transfer', 'transferToFixedLength']) {
    delete bufferPrototype[name]
  }
  function FixedArrayBuffer(length) {
    if (new.target === undefined) throw new TypeErrorClass("Constructor ArrayBuffer requires 'new'")
    return construct(BufferClass, [length], new.target === FixedArrayBuffer ? BufferClass : new.target)
  }
  FixedArrayBuffer.isView = BufferClass.isView
  defineProperty(FixedArrayBuffer, 'prototype', { value: bufferPrototype, writable: false })
  defineProperty(FixedArrayBuffer, 'name', { value: 'ArrayBuffer' })
  defineProperty(bufferPrototype, 'constructor', {
    value: FixedArrayBuffer,
    writable: false,
    configurable: false,
  })
  globalThis.ArrayBuffer = FixedArrayBuffer

  // Code from strings: what was reviewed is what runs.
  const noEvaluation = () => {
    throw new TypeErrorClass('code cannot be made from strings here')
  }
  const functionClasses = [
    Function,
    (async () => {}).constructor,
    function* () {}.constructor,
    async function* () {}.constructor,
  ]
  for (const functionClass of functionClasses) {
    defineProperty(functionClass.prototype, 'constructor', {
      value: noEvaluation,
      writable: false,
      configurable: false,
    })
  }
  globalThis.Function = noEvaluation
  globalThis.eval = noEvaluation

  // The host reads `stack` of errors outside any deadline, so nothing may compute it.
  defineProperty(ErrorClass, 'prepareStackTrace', { value: undefined, writable: false, configurable: false })
  defineProperty(ErrorClass, 'stackTraceLimit', { value: 20, writable: false, configurable: false })
  delete ErrorClass.captureStackTrace
  // Promise subclasses would let a plugin's own constructor run while the host settles a promise.
  defineProperty(PromiseClass.prototype, 'constructor', {
    value: PromiseClass,
    writable: false,
    configurable: false,
  })

  // For this code alone: how long a row takes.
  const trueNow = DateClass.now
  // Time and randomness come with each activation, so that a recorded one can be run again.
  let now = 0
  let seed = 1
  const random = () => {
    seed = (seed + 0x6d2b79f5) | 0
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
  const { imul } = Math
  defineProperty(Math, 'imul', { value: imul, writable: false, configurable: false })
  defineProperty(Math, 'random', { value: random, writable: false, configurable: false })
  defineProperty(DateClass, 'now', { value: () => now, writable: false, configurable: false })
  globalThis.Date = new Proxy(DateClass, {
    construct: (target, args, newTarget) => construct(target, args.length > 0 ? args : [now], newTarget),
    apply: () => `${new DateClass(now).toString()}`,
  })
  defineProperty(DateClass.prototype, 'constructor', { value: globalThis.Date })

  // Commands wait here until the host drains them.
  const MAX_COMMANDS = 1000
  const MAX_COMMANDS_IN_ROW = 100
  const MAX_ROW_MS = 10
  const MAX_TEXT = 1000
  const MAX_COMMAND_CHARS = 1_000_000
  let commands = []
  let nextEffect = 0
  let definition = null
  let config = null
  const waiting = new MapClass()

  const text = (value, limit) => {
    let out
    try {
      out = typeof value === 'string' ? value : `${value}`
    } catch {
      out = '(cannot be shown)'
    }
    return out.length > limit ? sliceOf(out, 0, limit) : out
  }
  // Serialized here, inside the deadline: a getter or toJSON of the plugin's runs now or never.
  const command = (parts) => {
    // Ends of calls always fit: a plugin that talked too much must still be heard to have failed.
    if (commands.length >= MAX_COMMANDS && parts[0] !== 'v' && parts[0] !== 'f')
      throw new RangeErrorClass('too many commands in one activation')
    const json = stringify(parts)
    if (json.length > MAX_COMMAND_CHARS) throw new RangeErrorClass('an answer or argument is too large')
    push(commands, json)
  }

  // What would be stored or sent must not be cut without a word.
  const whole = (value, limit) => {
    // A long text is not even looked at: putting its pieces together takes longer than there is time.
    const out = typeof value === 'string' ? value : text(value, limit + 1)
    if (out.length > limit) throw new RangeErrorClass(`a text of more than ${limit} characters`)
    return out
  }

  const effect = (call, method, args) => {
    const id = ++nextEffect
    command(['c', id, call.id, method, args])
    push(call.effects, id)
    return new PromiseClass((resolve, reject) => mapSet(waiting, id, { resolve, reject, call }))
  }
  const act = (call, action) => {
    if (call.done) throw new ErrorClass('the call this tool belongs to is over')
    if (call.actions.length >= 100) throw new RangeErrorClass('more than 100 actions in one call')
    push(call.actions, parse(stringify(action)))
  }
  const actFor = (call, kind, reason, recipients) =>
    act(call, { kind, text: text(reason, 500), recipients: recipients ?? null })
  const log = (call, level, message, fields) =>
    command(['l', call.id, level, text(message, MAX_TEXT), fields ?? null])

  // What the worker says of an effect it refused: a sentence, and mostly the name of the error.
  const refusal = (value) => {
    const named = typeof value === 'object' && value !== null
    const error = new ErrorClass(named ? value.message : `${value}`)
    if (named) defineProperty(error, 'name', { value: value.name, configurable: true, writable: true })
    return error
  }

  const fieldsOf = (call) => {
    if (call.fields === null)
      throw refusal({
        name: 'PermissionDenied',
        message: 'header fields need the permission "headers.read" and the hook "data"',
      })
    if (typeof call.fields === 'string') call.fields = freeze(parse(call.fields))
    return call.fields
  }
  const firstField = (call, name) => {
    const wanted = lowerCaseOf(text(name, 100))
    for (const field of fieldsOf(call)) {
      if (lowerCaseOf(field.name) === wanted) return replaceIn(field.value, /\r\n(?=[ \t])/g, '')
    }
    return undefined
  }

  // A body is text, or the object that stands for the message.
  const requestOf = (options) => {
    const { method, headers, body, timeoutMs } = options ?? {}
    if (body === undefined || body === null) return { method, headers, timeoutMs }
    const sent = typeof body === 'object' ? { message: true } : { text: whole(body, 262_144) }
    return { method, headers, timeoutMs, body: sent }
  }

  // Made with each call, each tool only when it is used: most calls use one or none.
  class Tools {
    #call
    constructor(call) {
      this.#call = call
    }
    get kv() {
      const call = this.#call
      return {
        get: (key) => effect(call, 'kv.get', [whole(key, 512)]),
        set: (key, value, options) =>
          effect(call, 'kv.set', [whole(key, 512), whole(value, 65_536), options?.ttlSeconds]),
        increment: (key, options) =>
          effect(call, 'kv.increment', [whole(key, 512), options?.by ?? 1, options?.ttlSeconds]),
        delete: (key) => effect(call, 'kv.delete', [whole(key, 512)]),
      }
    }
    get lookup() {
      const call = this.#call
      return { has: (table, entry) => effect(call, 'lookup.has', [whole(table, 100), whole(entry, 1000)]) }
    }
    get dns() {
      const call = this.#call
      return { resolve: (type, name) => effect(call, 'dns.resolve', [whole(type, 10), whole(name, 255)]) }
    }
    get http() {
      const call = this.#call
      return { fetch: (url, options) => effect(call, 'http.fetch', [whole(url, 4000), requestOf(options)]) }
    }
    get tcp() {
      const call = this.#call
      return {
        exchange: (target, sent, options) =>
          effect(call, 'tcp.exchange', [whole(target, 300), sent ?? null, options ?? null]),
      }
    }
    get timer() {
      const call = this.#call
      return { sleep: (ms) => effect(call, 'timer.sleep', [ms]) }
    }
    get hash() {
      const call = this.#call
      return {
        sha256: (value) => effect(call, 'hash.sha256', [whole(value, 65_536)]),
        hmac: (key, value) => effect(call, 'hash.hmac', [whole(key, 100), whole(value, 65_536)]),
      }
    }
    get metrics() {
      const call = this.#call
      return {
        // Nobody waits for a counter, so nobody need catch that it was refused.
        count: (name, options) =>
          void thenOf(
            effect(call, 'metrics.count', [
              whole(name, 100),
              whole(options?.label ?? '', 100),
              options?.by ?? 1,
            ]),
            undefined,
            () => {},
          ),
      }
    }
    get notes() {
      const call = this.#call
      return {
        get: (key, options) => effect(call, 'notes.get', [whole(key, 100), options?.plugin ?? null]),
        set: (key, value, options) =>
          effect(call, 'notes.set', [
            whole(key, 100),
            // Texts of many megabytes take longer to be written down than there is time.
            typeof value === 'string' ? whole(value, 65_536) : (value ?? null),
            options?.session === true,
          ]),
      }
    }
    get headers() {
      const call = this.#call
      return {
        all: () => fieldsOf(call),
        first: (name) => firstField(call, name),
        add: (name, value) =>
          act(call, { kind: 'header.add', name: text(name, 100), value: whole(value, 10_000) }),
        remove: (name) => act(call, { kind: 'header.remove', name: text(name, 100) }),
      }
    }
    get body() {
      const call = this.#call
      return { chunk: (index) => effect(call, 'body.chunk', [index]) }
    }
    get message() {
      const call = this.#call
      const read = (answer) => thenOf(answer, (json) => freezeDeep(parse(json)))
      return {
        parts: () => read(effect(call, 'message.parts', [])),
        hash: () => read(effect(call, 'message.hash', [])),
        search: (literals, options) => read(effect(call, 'message.search', [literals, options ?? null])),
      }
    }
    get relay() {
      const call = this.#call
      return { grant: () => act(call, { kind: 'relay.grant' }) }
    }
    get route() {
      const call = this.#call
      return {
        set: (destination, recipients) =>
          act(call, {
            kind: 'route.set',
            destination: whole(destination, 2000),
            recipients: recipients ?? null,
          }),
      }
    }
    get log() {
      const call = this.#call
      return {
        info: (message, fields) => log(call, 'info', message, fields),
        warn: (message, fields) => log(call, 'warn', message, fields),
      }
    }
    get hold() {
      const call = this.#call
      return (reason, recipients) => actFor(call, 'hold', reason, recipients)
    }
    get discard() {
      const call = this.#call
      return (reason, recipients) => actFor(call, 'discard', reason, recipients)
    }
    get tag() {
      const call = this.#call
      return (name, value = '') =>
        act(call, { kind: 'tag', name: whole(name, 100), value: whole(value, 1000) })
    }
    get expire() {
      const call = this.#call
      return (seconds) => act(call, { kind: 'expire', seconds })
    }
  }
  freeze(Tools.prototype)

  const outsideCall = { id: 0, effects: [] }
  const consoleLog =
    (level) =>
    (...args) =>
      log(
        outsideCall,
        level,
        joinOf(
          args.map((value) => text(value, MAX_TEXT)),
          ' ',
        ),
      )
  globalThis.console = freeze({
    log: consoleLog('info'),
    info: consoleLog('info'),
    debug: consoleLog('info'),
    warn: consoleLog('warn'),
    error: consoleLog('warn'),
  })

  // Nobody waits any more: what the call asked for and did not wait for goes with it.
  const over = (call) => {
    call.done = true
    for (let i = 0; i < call.effects.length; i++) mapDelete(waiting, call.effects[i])
    call.effects = []
    call.fields = null
  }

  const fail = (call, error) => {
    let message = 'a value that is no error was thrown'
    let stack = ''
    try {
      if (typeof error === 'object' && error !== null) {
        message = `${text(error.name, 50)}: ${text(error.message, 500)}`
        stack = text(error.stack, 4000)
      } else message = text(error, 500)
    } catch {
      // The error itself misbehaves; the message above has to do.
    }
    over(call)
    command(['f', call.id, message, stack])
  }
  const finish = (call, value) => {
    try {
      if ((value === undefined || value === null) && call.actions.length === 0) {
        over(call)
        command(['v', call.id])
        return
      }
      const answer =
        value === undefined || value === null
          ? null
          : {
              kind: value.kind,
              status: value.status,
              text: value.text,
              code: value.code,
              facts: value.facts,
              identity: value.identity,
              seconds: value.seconds,
            }
      const json = stringify(answer)
      if (json === undefined) throw new TypeErrorClass('a hook must return an answer or nothing')
      command(['v', call.id, answer, call.actions])
      over(call)
    } catch (error) {
      fail(call, error)
    }
  }

  globalThis.__install = (plugin) => {
    definition = plugin
  }
  globalThis.__manifest = () => {
    if (typeof definition !== 'object' || definition === null) {
      throw new TypeErrorClass('the module must export default definePlugin({ … })')
    }
    const { name, version, api, permissions, config: schema, hooks } = definition
    if (typeof hooks !== 'object' || hooks === null)
      throw new TypeErrorClass('"hooks" must be an object of functions')
    const names = keys(hooks)
    for (const hook of names) {
      if (typeof hooks[hook] !== 'function') throw new TypeErrorClass(`the hook "${hook}" must be a function`)
    }
    return stringify({
      name,
      version,
      api,
      permissions: permissions ?? {},
      config: schema ?? null,
      hooks: names,
    })
  }
  // Numbers of effects go on from one isolate of a plugin to the next: a result meant for the last one fits none here.
  globalThis.__configure = (json, firstEffect) => {
    nextEffect = firstEffect
    config = freezeDeep(parse(json))
  }
  const freezeDeep = (value) => {
    if (typeof value === 'object' && value !== null) {
      for (const key of keys(value)) freezeDeep(value[key])
      freeze(value)
    }
    return value
  }

  const calls = new MapClass()
  // Calls that ended without a command; told at the next drain when what said so was lost.
  let endedQuietly = []
  const QUIET = 0
  const SPOKEN = 1
  const WAITING = 2
  // Most plugins do not look at it, and to read it costs more than all the rest of a short call.
  const readLater = (event, name, json) => {
    let value
    defineProperty(event, name, {
      get: () => {
        if (value === undefined) value = parse(json)
        return value
      },
      enumerable: true,
      configurable: true,
    })
  }
  // One call of the plugin's. QUIET: over, no opinion, no command. WAITING: its end comes by a promise.
  const start = (at, randomSeed, id, hook, event, subject, subjectJson, fieldsJson) => {
    now = at
    seed = randomSeed
    const said = commands.length
    const call = {
      id,
      actions: [],
      effects: [],
      fields: fieldsJson === '' ? null : fieldsJson,
      waits: 0,
      done: false,
    }
    try {
      if (subject !== '') readLater(event, subject, subjectJson)
      const answer = definition.hooks[hook](event, new Tools(call), config)
      if (answer === undefined && call.actions.length === 0) {
        over(call)
        if (commands.length === said) return QUIET
        command(['v', id])
        return SPOKEN
      }
      if (typeof answer === 'object' && answer !== null && typeof answer.then === 'function') {
        mapSet(calls, id, call)
        const ending = (end) => (value) => {
          mapDelete(calls, id)
          if (!call.done) end(call, value)
        }
        thenOf(PromiseClass.resolve(answer), ending(finish), ending(fail))
        return WAITING
      }
      finish(call, answer)
    } catch (error) {
      fail(call, error)
    }
    return SPOKEN
  }
  globalThis.__start = (at, randomSeed, id, hook, eventJson, subject, subjectJson, fieldsJson) => {
    endedQuietly = []
    const how = start(at, randomSeed, id, hook, parse(eventJson), subject, subjectJson, fieldsJson)
    if (how !== QUIET) return how
    if (commands.length > 0) return drained(id)
    push(endedQuietly, id)
    return how
  }
  // Commands of code that runs in no call lie there and have to be drained, though this call left none.
  const drained = (id) => {
    command(['v', id])
    return SPOKEN
  }
  // One call after the other. Returns a digit for each, as `start` does. It ends early behind one that waits, for what
  // goes on behind a promise has the clock and the random numbers of its own call only while no other has begun; and
  // before one plugin's commands use up what the next call may say, or a slow one the time of all.
  globalThis.__startRow = (rowJson, texts) => {
    const row = parse(rowJson)
    const endsAt = trueNow() + MAX_ROW_MS
    endedQuietly = []
    let how = ''
    let textAt = 0
    for (let i = 0; i < row.length; i++) {
      const one = row[i]
      const id = one[2]
      const fieldsAt = textAt + one[6]
      const subjectJson = sliceOf(texts, textAt, fieldsAt)
      textAt = fieldsAt + one[7]
      const fieldsJson = sliceOf(texts, fieldsAt, textAt)
      const ended = start(one[0], one[1], id, one[3], one[4], one[5], subjectJson, fieldsJson)
      const isLast =
        i === row.length - 1 ||
        ended === WAITING ||
        commands.length > MAX_COMMANDS_IN_ROW ||
        trueNow() > endsAt
      if (ended !== QUIET) how += ended
      else if (isLast && commands.length > 0) how += drained(id)
      else {
        push(endedQuietly, id)
        how += ended
      }
      if (isLast) break
    }
    return how
  }
  globalThis.__settle = (at, randomSeed, callId, effectId, ok, json) => {
    const entry = mapGet(waiting, effectId)
    if (entry === undefined || entry.call.id !== callId) return 0
    mapDelete(waiting, effectId)
    if (entry.call.done) return 0
    now = at
    // Behind each wait other numbers: those before it are drawn already.
    seed = (randomSeed + imul(++entry.call.waits, 0x9e3779b9)) | 0
    const value = json === '' ? undefined : parse(json)
    if (ok) entry.resolve(value)
    else entry.reject(refusal(value))
    return 1
  }
  globalThis.__cancel = (id) => {
    const call = mapGet(calls, id)
    if (call === undefined) return
    over(call)
    mapDelete(calls, id)
  }
  globalThis.__drain = (threw) => {
    if (threw) for (let i = 0; i < endedQuietly.length; i++) command(['v', endedQuietly[i]])
    endedQuietly = []
    if (commands.length === 0) return ''
    const out = commands
    commands = []
    return `[${joinOf(out, ',')}]`
  }
})()
