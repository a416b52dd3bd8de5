/** The command in this process: quicker than a child, and with other rooms in the place of the real ones. */
import { Writable } from 'node:stream'
import { Output } from '../../../core/cli/output.ts'
import { run } from '../../../core/cli/program.ts'
import { ROOMS, type Rooms } from '../../../core/cli/rooms.ts'

export interface Said {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs `postern ARGS` to its end, with some rooms replaced. */
export async function runHere(args: readonly string[], rooms: Partial<Rooms> = {}): Promise<Said> {
  const said = { stdout: '', stderr: '' }
  const sink = (name: keyof typeof said) =>
    new Writable({
      write(chunk, _, done) {
        said[name] += String(chunk)
        done()
      },
    })
  const output = new Output(sink('stdout'), sink('stderr'))
  const code = await run(args, { output, rooms: { ...ROOMS, ...rooms }, env: {} })
  return { code, ...said }
}
