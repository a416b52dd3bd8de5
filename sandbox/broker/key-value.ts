/** Capability `kv`: values kept between sessions. */
import type { Clock } from '../../core/observe/clock.ts'
import { MAX_KEY_BYTES, MAX_VALUE_BYTES, type StateStore } from '../../core/state/state-store.ts'
import { type Caller, type Effect, EffectRefused, PermissionDenied } from './effect.ts'

const MAX_TTL_SECONDS = 365 * 24 * 3600

export function keyValueEffects(state: StateStore, clock: Clock): readonly (readonly [string, Effect])[] {
  const get: Effect = {
    write: false,
    run: async (caller, [key]) => state.get(allowedKey(caller, key), clock.now()),
  }
  const set: Effect = {
    write: true,
    run: async (caller, [key, value, ttlSeconds]) => {
      if (typeof value !== 'string' || Buffer.byteLength(value) > MAX_VALUE_BYTES)
        throw new EffectRefused(`a value is text of at most ${MAX_VALUE_BYTES} octets`)
      await state.set(allowedKey(caller, key), value, expiry(clock, ttlSeconds))
    },
  }
  const increment: Effect = {
    write: true,
    run: async (caller, [key, by, ttlSeconds]) => {
      if (!Number.isSafeInteger(by)) throw new EffectRefused('"by" must be a whole number')
      const now = clock.now()
      return state.increment(allowedKey(caller, key), by as number, now, expiry(clock, ttlSeconds))
    },
  }
  const remove: Effect = { write: true, run: async (caller, [key]) => state.delete(allowedKey(caller, key)) }
  return [
    ['kv.get', get],
    ['kv.set', set],
    ['kv.increment', increment],
    ['kv.delete', remove],
  ]
}

/** Plugins share one space of keys and see what their patterns name, set apart from the core's own keys. */
function allowedKey({ permissions }: Caller, key: unknown): string {
  if (typeof key !== 'string' || key === '' || Buffer.byteLength(key) > MAX_KEY_BYTES - 8)
    throw new EffectRefused(`a key is text of 1 to ${MAX_KEY_BYTES - 8} octets`)
  if (!permissions.kv.matches(key))
    throw new PermissionDenied('kv', `the permission kv does not cover the key "${key}"`)
  return `plugin:${key}`
}

function expiry(clock: Clock, ttlSeconds: unknown): number {
  if (typeof ttlSeconds !== 'number' || !(ttlSeconds >= 1 && ttlSeconds <= MAX_TTL_SECONDS))
    throw new EffectRefused(`ttlSeconds must be 1 to ${MAX_TTL_SECONDS}`)
  return clock.now() + Math.round(ttlSeconds * 1000)
}
