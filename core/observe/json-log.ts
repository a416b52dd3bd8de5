/** The log as it is written: one JSON object a line. */
import pino from 'pino'
import type { Log, LogFields, LogLevel } from './log.ts'

/** A log that writes to `fileDescriptor`, 2 (stderr) unless told otherwise. */
export function createLog(level: LogLevel, fields: LogFields = {}, fileDescriptor = 2): Log {
  const options = { level, base: fields, timestamp: pino.stdTimeFunctions.isoTime, messageKey: 'event' }
  const formatters = { level: (label: string) => ({ level: label }) }
  return wrap(pino({ ...options, formatters }, pino.destination({ dest: fileDescriptor, sync: false })))
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
