/** How long a command line may be, its CRLF not counted. */

/** RFC 5321 §4.5.3.1.4 asks for 512 octets, extensions for more; nothing we know of but AUTH needs as much as this. */
export const MAX_COMMAND_BYTES = 2_048

/** Of an AUTH command and of what a client answers in an exchange (RFC 4954 §4). No line is longer. */
export const MAX_LINE_BYTES = 12_288
