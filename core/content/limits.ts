/** How far a message is looked into. Whoever needs more than this has no mail to tell us about. */

/** Octets of a message; the rest is not looked at. */
export const MAX_MESSAGE_BYTES = 256 * 1024 * 1024
export const MAX_PARTS = 1000
/** Parts inside parts. */
export const MAX_DEPTH = 50
/** Octets of one header that are read. */
export const MAX_HEADER_BYTES = 65_536
/** RFC 2046 §5.1.1 allows 70. */
export const MAX_BOUNDARY_CHARS = 250
export const MAX_PARAMETERS = 20
/** Characters of a name or parameter in the answer. */
export const MAX_NAME_CHARS = 255
/** What may be decoded, as a multiple of the message: encodings inside encodings. */
export const DECODE_FACTOR = 4

/** Archives inside archives. */
export const MAX_ARCHIVE_DEPTH = 5
/** Entries listed, in all archives of a message. */
export const MAX_ENTRIES = 1000
/** Octets unpacked from one entry. */
export const MAX_ENTRY_BYTES = 32 * 1024 * 1024
/** Octets unpacked from all archives of a message. */
export const MAX_INFLATED_BYTES = 64 * 1024 * 1024
export const HIGH_RATIO = 200
/** Below this an entry is small, whatever its ratio. */
export const HIGH_RATIO_BYTES = 1024 * 1024

/** Octets of the answer as JSON. */
export const MAX_ANSWER_BYTES = 256 * 1024

/** Literals of one search. */
export const MAX_LITERALS = 100
export const MAX_LITERAL_BYTES = 256
/** Octets of all of them. */
export const MAX_LITERALS_BYTES = 8192
