/** The log as everybody sees it: one event a line. Field names are listed in docs/logging.md. */

/** Values of one log line. Addresses may appear; content of messages, credentials and keys never. */
export type LogFields = Readonly<Record<string, unknown>>

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

export interface Log {
  debug(event: string, fields?: LogFields): void
  info(event: string, fields?: LogFields): void
  /** Somebody may have to act. */
  warn(event: string, fields?: LogFields): void
  /** Somebody has to act. */
  error(event: string, fields?: LogFields): void
  /** A log whose lines all carry `fields`. */
  child(fields: LogFields): Log
}

/** A log nobody reads: for tests and for commands that print for a person. */
export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLog,
}
