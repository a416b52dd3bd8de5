import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreFault, storeFault } from '../../../core/state/store-fault.ts'

const CASES = [
  [{ code: 'ENOSPC', message: 'no space left on device' }, 'full'],
  [{ code: 'EDQUOT', message: 'quota exceeded' }, 'full'],
  [{ code: 'ERR_SQLITE_ERROR', errcode: 13, message: 'database or disk is full' }, 'full'],
  [{ code: 'ERR_SQLITE_ERROR', errcode: 10, message: 'disk I/O error' }, 'unavailable'],
  [{ code: 'EIO', message: 'i/o error' }, 'unavailable'],
  ['a string', 'unavailable'],
] as const

for (const [error, code] of CASES) {
  test(`${JSON.stringify(error)} means ${code}`, () => {
    const fault = storeFault(error)
    assert.equal(fault.code, code)
    assert.equal(fault.message, typeof error === 'string' ? error : error.message)
    assert.equal(fault.cause, error)
  })
}

test('a fault stays the fault it is', () => {
  const fault = new StoreFault('full', 'no room')
  assert.equal(storeFault(fault), fault)
})
