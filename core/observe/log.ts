/** The log: one JSON object a line, one event a line. Field names are listed in docs/logging.md. */
import pino from 'pino'

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

/** A log that writes to `fileDescriptor`, 2 (stderr) unless told otherwise. */
export function createLog(level: LogLevel, fields: LogFields = {}, fileDescriptor = 2): Log {
  const options = { level, base: fields, timestamp: pino.stdTimeFunctions.isoTime, messageKey: 'event' }
  const formatters = { level: (label: string) => ({ level: label }) }
  return wrap(pino({ ...options, formatters }, pino.destination({ dest: fileDescriptor, sync: false })))
}

/** A log nobody reads: for tests and for commands that print for a person. */
export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLog,
}

function wrap(logger: pino.Logger): Log {
  return {
    debug: (event, fields = {}) => logger.debug(fields, event),
    info: (event, fields = {}) => logger.info(fields, event),
    warn: (event, fields = {}) => logger.warn(fields, event),
    error: (event, fields = {}) => logger.error(fields, event),
    child: (fields) => wrap(logger.child(fields)),
  }
}
