/** Unpacking with bounds: what one message may make us unpack is counted, whatever its archives say of themselves. */
import { gunzipSync, inflateRawSync, constants as zlib, zstdDecompressSync } from 'node:zlib'
import type { PartFlag } from '../mail/message-parts.ts'
import { MAX_ENTRIES, MAX_ENTRY_BYTES, MAX_INFLATED_BYTES } from './limits.ts'

export type Packing = 'deflate' | 'gzip' | 'zstd'

/** Of something packed: the whole of it, or only the beginning. */
export interface Unpacked {
  readonly bytes: Buffer
  readonly isWhole: boolean
}

/**
 * Packed octets from which a beginning is unpacked, and how long it may become. Deflate makes at most a thousand of one,
 * so the beginnings of all entries a message may have cost about what the rest may.
 */
const HEAD_PACKED_BYTES = 512
const HEAD_BYTES = 1024 * 1024

/** What all archives of one message share. */
export class UnpackingBudget {
  entriesLeft = MAX_ENTRIES
  #left = MAX_INFLATED_BYTES

  /**
   * null: not even a beginning. That is looked at even when a bomb has used up the rest. `flags` is told why there is
   * less than the whole.
   */
  unpack(packed: Buffer, packing: Packing, flags: Set<PartFlag>): Unpacked | null {
    const most = Math.min(MAX_ENTRY_BYTES, this.#left)
    try {
      if (most > 0) {
        const bytes = run(packed, packing, most)
        this.#left -= bytes.length
        return { bytes, isWhole: true }
      }
      flags.add('inflate-limit')
    } catch (error) {
      const isLong = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
      if (isLong) this.#left -= most
      flags.add(isLong ? 'inflate-limit' : 'archive-damaged')
    }
    return beginning(packed, packing)
  }
}

function beginning(packed: Buffer, packing: Packing): Unpacked | null {
  try {
    return { bytes: run(packed.subarray(0, HEAD_PACKED_BYTES), packing, HEAD_BYTES), isWhole: false }
  } catch {
    return null
  }
}

/** @throws when there is more than `maxOutputLength`, or the octets make no sense; what is merely cut off is unpacked */
function run(packed: Buffer, packing: Packing, maxOutputLength: number): Buffer {
  if (packing === 'zstd')
    return zstdDecompressSync(packed, { maxOutputLength, finishFlush: zlib.ZSTD_e_flush })
  const options = { maxOutputLength, finishFlush: zlib.Z_SYNC_FLUSH }
  return packing === 'gzip' ? gunzipSync(packed, options) : inflateRawSync(packed, options)
}
