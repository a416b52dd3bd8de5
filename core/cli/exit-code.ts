/** What a command's end means to the script that called it, and the faults that carry it. */

export const EXIT = {
  fine: 0,
  /** Something was found that somebody has to mend: a refused mail, a bad configuration, an unknown id. */
  problem: 1,
  usage: 2,
  /** Nobody answers at the control socket, or at the SMTP listener. */
  unreachable: 3,
} as const

export type ExitCode = number

/** A command cannot go on. The message is for a person: what, where, and what to do about it. */
export class CommandFault extends Error {
  readonly exitCode: ExitCode
  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CommandFault'
    this.exitCode = exitCode
  }
}
