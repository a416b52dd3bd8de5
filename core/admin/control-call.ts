/** One call of the control socket: the method's name and its arguments, unknown until checked here. */
import type { QueueFilter, RecipientState } from '../queue/queue-store.ts'
import { CONTROL_METHODS, type Control } from './control.ts'

/** Longest text in an argument, in UTF-16 units. */
export const MAX_ARGUMENT_LENGTH = 512
/** Most entries one listing may ask for. */
export const MAX_LIST_LIMIT = 10_000

/** Longest suspension that ends by itself: a year. */
export const MAX_SUSPENSION_MS = 365 * 86_400_000

const FILTER_KEYS = [
  'message',
  'state',
  'route',
  'to',
  'from',
  'reason',
  'acceptedBefore',
  'acceptedSince',
] as const satisfies readonly (keyof QueueFilter)[]
const STATES: readonly string[] = ['due', 'held', 'delivered', 'bounced'] satisfies RecipientState[]

/** An argument does not fit its method: the caller's mistake, told to the caller. */
export class ArgumentFault extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ArgumentFault'
  }
}

export type ControlMethod = keyof Control

type Arguments = readonly unknown[]

const CALLS: { readonly [method in ControlMethod]: (control: Control, args: Arguments) => Promise<unknown> } =
  {
    gatewayStatus: (control, args) => {
      expectCount(args, 0)
      return control.gatewayStatus()
    },
    queueList: (control, args) => {
      expectCount(args, 2)
      return control.queueList(parseFilter(args[0]), parseLimit(args[1]))
    },
    queueRetry: (control, args) => {
      expectCount(args, 1)
      return control.queueRetry(parseFilter(args[0]))
    },
    queueHold: (control, args) => {
      expectCount(args, 2)
      return control.queueHold(parseFilter(args[0]), parseText(args[1], 'reason'))
    },
    queueRelease: (control, args) => {
      expectCount(args, 1)
      return control.queueRelease(parseFilter(args[0]))
    },
    queueDrop: (control, args) => {
      expectCount(args, 1)
      return control.queueDrop(parseFilter(args[0]))
    },
    queueBounce: (control, args) => {
      expectCount(args, 2)
      return control.queueBounce(parseFilter(args[0]), parseText(args[1], 'reason'))
    },
    queueAge: (control, args) => {
      expectCount(args, 1)
      return control.queueAge(parseFilter(args[0]))
    },
    queueSuspend: (control, args) => {
      expectCount(args, 3)
      const forMs = args[2] === null ? null : parseWhole(args[2], 'the duration', 1, MAX_SUSPENSION_MS)
      return control.queueSuspend(parseText(args[0], 'route'), parseText(args[1], 'reason'), forMs)
    },
    queueResume: (control, args) => {
      expectCount(args, 1)
      return control.queueResume(parseText(args[0], 'route'))
    },
    queueSuspensions: (control, args) => {
      expectCount(args, 0)
      return control.queueSuspensions()
    },
    queueContent: (control, args) => {
      expectCount(args, 2)
      const index = parseWhole(args[1], 'index', 0, Number.MAX_SAFE_INTEGER)
      return control.queueContent(parseText(args[0], 'message'), index)
    },
    explain: (control, args) => {
      expectCount(args, 1)
      return control.explain(parseText(args[0], 'key'))
    },
    metrics: (control, args) => {
      expectCount(args, 0)
      return control.metrics()
    },
    status: (control, args) => {
      expectCount(args, 0)
      return control.status()
    },
    reload: (control, args) => {
      expectCount(args, 0)
      return control.reload()
    },
    stop: (control, args) => {
      expectCount(args, 0)
      return control.stop()
    },
  }

/** Whether the control socket offers a method of this name. */
export function isControlMethod(name: string): name is ControlMethod {
  return (CONTROL_METHODS as readonly string[]).includes(name)
}

/**
 * Checks the arguments and calls.
 *
 * @param args what the caller sent, of any shape
 * @throws ArgumentFault when they do not fit; nothing was called then
 */
export async function callControl(control: Control, method: ControlMethod, args: unknown): Promise<unknown> {
  if (!Array.isArray(args)) throw new ArgumentFault('the arguments must be a JSON array')
  return await CALLS[method](control, args)
}

function expectCount(args: Arguments, count: number): void {
  if (args.length !== count)
    throw new ArgumentFault(`expected ${count} argument${count === 1 ? '' : 's'}, found ${args.length}`)
}

function parseFilter(value: unknown): QueueFilter {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ArgumentFault('a filter must be an object')
  for (const [key, text] of Object.entries(value)) {
    if (!(FILTER_KEYS as readonly string[]).includes(key))
      throw new ArgumentFault(`a filter has no member "${key.slice(0, 50)}", only ${FILTER_KEYS.join(', ')}`)
    if (key === 'acceptedBefore' || key === 'acceptedSince') {
      parseWhole(text, key, 0, Number.MAX_SAFE_INTEGER)
      continue
    }
    // The null reverse-path is a reverse-path to look for; everywhere else '' would mean "all" by accident.
    if (key !== 'from' || text !== '') parseText(text, key)
    if (key === 'state' && !STATES.includes(text as string))
      throw new ArgumentFault(`state must be one of ${STATES.join(', ')}`)
  }
  return value as QueueFilter
}

function parseLimit(value: unknown): number {
  return parseWhole(value, 'limit', 1, MAX_LIST_LIMIT)
}

function parseWhole(value: unknown, name: string, least: number, most: number): number {
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most)
    throw new ArgumentFault(`${name} must be a whole number from ${least} to ${most}`)
  return value as number
}

function parseText(value: unknown, name: string): string {
  if (typeof value !== 'string' || value === '' || value.length > MAX_ARGUMENT_LENGTH)
    throw new ArgumentFault(`${name} must be a text of 1 to ${MAX_ARGUMENT_LENGTH} characters`)
  return value
}
