/** The log as it is written: one JSON object a line. */
import pino from 'pino'
import type { Log, LogFields, LogLevel } from './log.ts'

/** Lines are gathered up to so many characters, and for so long: a write for each costs more than the line. */
const GATHERED_CHARS = 4_096
const GATHERED_MS = 20

/** A log that writes to `fileDescriptor`, 2 (stderr) unless told otherwise. Warnings and errors are written at once. */
export function createLog(level: LogLevel, fields: LogFields = {}, fileDescriptor = 2): Log {
  const options = { level, base: fields, timestamp: pino.stdTimeFunctions.isoTime, messageKey: 'event' }
  const formatters = { level: (label: string) => ({ level: label }) }
  const destination = pino.destination({
    dest: fileDescriptor,
    sync: false,
    minLength: GATHERED_CHARS,
    periodicFlush: GATHERED_MS,
  })
  return wrap(pino({ ...options, formatters }, destination), () => destination.flush())
}

function wrap(logger: pino.Logger, flush: () => void): Log {
  return {
    debug: (event, fields = {}) => logger.debug(fields, event),
    info: (event, fields = {}) => logger.info(fields, event),
    warn: (event, fields = {}) => {
      logger.warn(fields, event)
      flush()
    },
    error: (event, fields = {}) => {
      logger.error(fields, event)
      flush()
    },
    child: (fields) => wrap(logger.child(fields), flush),
  }
}
