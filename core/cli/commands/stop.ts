/** `postern stop`: a graceful stop, waited for. */
import { setTimeout as wait } from 'node:timers/promises'
import { Command } from 'commander'
import type { CommandLine } from '../command-line.ts'
import { CommandFault, EXIT, type ExitCode } from '../exit-code.ts'
import { formatDuration } from '../quantity.ts'
import { wholeNumber } from '../queue-filter.ts'

const DEFAULT_TIMEOUT_S = 90
const POLL_MS = 100

export function stopCommand(line: CommandLine): Command {
  return new Command('stop')
    .description('Stop the gateway when the mail it is working on is safe, and wait until it is gone.')
    .option('--timeout <seconds>', 'how long to wait', wholeNumber(0, 86_400), DEFAULT_TIMEOUT_S)
    .addHelpText('after', '\nExample:\n  postern stop --timeout 30')
    .action(line.action(async ({ timeout }: { timeout: number }) => await stop(line, timeout * 1_000)))
}

async function stop(line: CommandLine, timeoutMs: number): Promise<ExitCode> {
  const control = await line.control()
  const { supervisorPid: pid } = await control.status()
  const beganAt = performance.now()
  await control.stop()
  while (isAlive(pid)) {
    const passedMs = performance.now() - beganAt
    line.output.progress(`Stopping (process ${pid}), ${formatDuration(passedMs)} …`)
    if (passedMs >= timeoutMs)
      throw new CommandFault(
        EXIT.problem,
        `The gateway is still stopping after ${formatDuration(passedMs)} (process ${pid}).\n` +
          'Mail is safe either way: what is not delivered yet is in the queue. See what it waits for: postern status',
      )
    await wait(Math.min(POLL_MS, timeoutMs - passedMs))
  }
  line.output.progress('')
  const tookMs = Math.round(performance.now() - beganAt)
  if (line.json) line.output.json({ stopped: true, pid, tookMs })
  else line.output.print(`Stopped (process ${pid}) after ${formatDuration(tookMs)}.`)
  return EXIT.fine
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // A process of another user's is there, it only may not be signalled.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
