/** What is inside a message, as data: its MIME parts and what stands in archives. Everything here was said by a stranger. */

/** A message taken apart. */
export interface MessageParts {
  /** Octets of the message as received. */
  readonly sizeBytes: number
  /**
   * Each part before those inside it; `path` says where it stands: '1' is the message itself, '1.2' its second part.
   * At most 1000.
   */
  readonly parts: readonly MessagePart[]
  /** Limits reached: something was not looked at, or left out here. */
  readonly flags: readonly MessageFlag[]
}

/** One entity (RFC 2045 §2.4). */
export interface MessagePart {
  readonly path: string
  /** As declared, lower-cased; `text/plain` when nothing is. */
  readonly type: string
  /** Parameters of the declared type by lower-cased name, after RFC 2231; at most 20. */
  readonly parameters: Readonly<Record<string, string>>
  /** What the first octets of the decoded content say; null: nothing known. */
  readonly detected: DetectedType | null
  /** Name of the file, decoded (RFC 2231, RFC 2047); null without one. At most 255 characters. */
  readonly fileName: string | null
  /** The same as it was written. */
  readonly rawFileName: string | null
  /** `attachment`, `inline` … (RFC 2183), lower-cased; null without one. */
  readonly disposition: string | null
  readonly charset: string | null
  /** Content-Transfer-Encoding, lower-cased; `7bit` when none is declared, `uuencode` for files inside text. */
  readonly encoding: string
  /** Octets after decoding; of a multipart or message, before. */
  readonly sizeBytes: number
  /** SHA-256 of the decoded content in hexadecimal; null for a multipart or message. */
  readonly sha256: string | null
  /** What an archive has, archives inside it included. */
  readonly entries: readonly ArchiveEntry[]
  /** How many entries the archive itself says it has; more than are listed when a limit was reached. */
  readonly entryCount: number
  readonly flags: readonly PartFlag[]
}

/** One file of an archive. */
export interface ArchiveEntry {
  /** As the archive has it, at most 255 characters. */
  readonly name: string
  /** Names of the archives it lies in, outermost first, joined by `!/`; '' directly in the part. */
  readonly within: string
  /** Octets when unpacked: as measured, otherwise as declared; null when neither is known. */
  readonly sizeBytes: number | null
  readonly compressedBytes: number | null
  readonly encrypted: boolean
  readonly detected: DetectedType | null
  readonly flags: readonly PartFlag[]
}

export type MessageFlag =
  /** More parts than 1000. */
  | 'parts-limit'
  /** The answer would have been longer than 256 KB. */
  | 'answer-cut'
  /** The message is longer than 256 MB; the rest was not looked at. */
  | 'size-limit'

export type PartFlag =
  /** The header is longer than 64 KB. */
  | 'header-limit'
  /** Parts lie in parts more than 50 deep, or archives in archives more than 5. */
  | 'depth-limit'
  /** A multipart without a boundary anybody can use. */
  | 'no-boundary'
  /** A multipart that does not end. */
  | 'unclosed'
  /** A part behind the end of its multipart. */
  | 'behind-end'
  /** Two multiparts inside one another have the same boundary. */
  | 'boundary-repeated'
  /** Content-Type, Content-Disposition or Content-Transfer-Encoding stands there more than once; the first counts. */
  | 'field-repeated'
  /** A parameter stands there more than once. */
  | 'parameter-repeated'
  /** Content-Type and Content-Disposition name different files. */
  | 'names-differ'
  /** A multipart with an encoding, which RFC 2045 §6.4 forbids. */
  | 'encoded-multipart'
  /** A transfer encoding that does not exist; the content was taken as it is. */
  | 'encoding-unknown'
  /** Octets that the transfer encoding does not know. */
  | 'encoding-damaged'
  | 'charset-unknown'
  /** More was decoded than four times the message. */
  | 'decode-limit'
  /** An archive of a kind that is not opened, or an entry packed by such a method. */
  | 'not-opened'
  /** An archive cannot be read to its end. */
  | 'archive-damaged'
  /** Something else than a zip, with a zip behind it. */
  | 'archive-behind'
  /** Central directory and local header of a zip say different things, or a size is not true. */
  | 'headers-differ'
  /** An entry that the central directory does not have. */
  | 'not-in-directory'
  /** Entries that use the same octets. */
  | 'entries-overlap'
  /** More than 1000 entries in the archives of the message. */
  | 'entries-limit'
  /** Unpacked, there is more than 32 MB in one entry or 64 MB in the message. */
  | 'inflate-limit'
  /** More than 1 MB, and 200 times what it was packed. */
  | 'high-ratio'

/** What the first octets say. */
export type DetectedType =
  | 'pe'
  | 'dos'
  | 'elf'
  | 'macho'
  | 'java-class'
  | 'dex'
  | 'wasm'
  | 'script'
  | 'shortcut'
  | 'zip'
  | 'ooxml'
  | 'odf'
  | 'jar'
  | 'gzip'
  | 'bzip2'
  | 'xz'
  | 'zstd'
  | 'rar'
  | '7z'
  | 'tar'
  | 'cab'
  | 'arj'
  | 'lha'
  | 'ace'
  | 'iso'
  | 'ar'
  | 'ole2'
  | 'chm'
  | 'tnef'
  /** A message kept as a file, by the end of its name: `.eml`, `.mht`. */
  | 'message'
  | 'pdf'
  | 'rtf'
  | 'postscript'
  | 'png'
  | 'jpeg'
  | 'gif'
  | 'webp'
  | 'bmp'
  | 'tiff'
  | 'html'
  | 'svg'
  | 'xml'

/** Literals to look for. */
export interface LiteralSearch {
  /** 1 to 100, each of 1 to 256 octets in UTF-8, 8192 in all. */
  readonly literals: readonly string[]
  /** Only in the part with this path, and those inside it; null: everywhere. */
  readonly part: string | null
  /** Letter case does not matter. */
  readonly ignoreCase: boolean
  /** In the octets as received, encodings and header included. `part` is not looked at. */
  readonly raw: boolean
}

/** Where a literal was found first. */
export interface LiteralFound {
  readonly literal: string
  /** Path of the part; '' in raw octets. */
  readonly part: string
}
