/** A message is a handle: the bytes themselves when small, a spool file when large. */

/** A header field as received: the name and the raw value with its folding, without the final line end. */
export interface HeaderField {
  readonly name: string
  readonly value: string
}

/** Content as received or as stored, never changed in place. */
export type Content =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'spool'
      /** Path of the file that holds the bytes as received. */
      readonly path: string
      /** Octets in the file. */
      readonly sizeBytes: number
      /** CRC-32 of them; unknown when missing. */
      readonly checksum?: number
    }

/**
 * What is stored and sent on: `head` (trace fields, edited header) and then the content from `contentOffset`.
 * Edits never copy the body of a large message.
 */
export interface StoredContent {
  readonly head: Uint8Array
  readonly content: Content
  readonly contentOffset: number
}

/** Octets of the message as it will be sent. */
export function storedSizeBytes({ head, content, contentOffset }: StoredContent): number {
  const contentBytes = content.kind === 'inline' ? content.bytes.byteLength : content.sizeBytes
  return head.byteLength + contentBytes - contentOffset
}
