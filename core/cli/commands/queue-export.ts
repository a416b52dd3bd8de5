/** `postern queue export`: messages as they would be sent, as files. */
import { mkdir, open, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Command } from 'commander'
import type { Control, QueueEntry } from '../../admin/control.ts'
import { MAX_LIST_LIMIT } from '../../admin/control-call.ts'
import type { CommandLine } from '../command-line.ts'
import { CommandFault, EXIT, type ExitCode } from '../exit-code.ts'
import { withIsoTimes } from '../iso-times.ts'
import { counted } from '../quantity.ts'
import { addFilterOptions, type FilterOptions, selectedBy } from '../queue-filter.ts'
import { visible } from '../visible-text.ts'

interface ExportOptions extends FilterOptions {
  readonly all?: boolean
}

export function queueExportCommand(line: CommandLine): Command {
  return addFilterOptions(new Command('export'))
    .description(
      'Write messages to a folder: ID.eml as it would be sent, ID.json with who is owed it. Changes nothing.',
    )
    .argument('<folder>', 'where to; made when missing')
    .argument('[ids...]', 'queue ids (q_…)')
    .option('--all', 'everything in the queue')
    .addHelpText('after', '\nExample:\n  postern queue export ./held --state held')
    .action(
      line.action(
        async (folder: string, ids: string[], options: ExportOptions) =>
          await exportTo(line, resolve(folder), ids, options),
      ),
    )
}

async function exportTo(
  line: CommandLine,
  folder: string,
  ids: readonly string[],
  options: ExportOptions,
): Promise<ExitCode> {
  const control = await line.control()
  const byMessage = new Map<string, QueueEntry[]>()
  for (const filter of selectedBy(ids, options)) {
    const entries = await control.queueList(filter, MAX_LIST_LIMIT)
    if (entries.length === MAX_LIST_LIMIT)
      throw new CommandFault(
        EXIT.problem,
        `More than ${MAX_LIST_LIMIT} recipients match: narrow the filter, as with --to @domain.`,
      )
    for (const entry of entries)
      byMessage.set(entry.message, [...(byMessage.get(entry.message) ?? []), entry])
  }
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const gone: string[] = []
  let written = 0
  for (const [id, entries] of byMessage) {
    if (await writeMessage(control, folder, id, entries)) written += 1
    else gone.push(id)
    line.output.progress(`${written + gone.length} of ${counted(byMessage.size, 'message')}`)
  }
  line.output.progress('')
  if (line.json) line.output.json({ folder, messages: written, gone })
  else {
    line.output.print(`${counted(written, 'message')} written to ${folder}.`)
    for (const id of gone) line.output.complain(`${visible(id)} has left the queue meanwhile.`)
  }
  return EXIT.fine
}

/** False when there is no such message any more. */
async function writeMessage(
  control: Control,
  folder: string,
  id: string,
  entries: readonly QueueEntry[],
): Promise<boolean> {
  // What comes from outside becomes the name of a file.
  if (!/^q_\w+$/.test(id)) return false
  let piece = await control.queueContent(id, 0)
  if (piece === null) return false
  await using file = await open(join(folder, `${id}.eml`), 'w', 0o600)
  for (let index = 1; piece !== null; index++) {
    await file.write(Buffer.from(piece.base64, 'base64'))
    piece = piece.isLast ? null : await control.queueContent(id, index)
  }
  await writeFile(join(folder, `${id}.json`), `${JSON.stringify(withIsoTimes(entries), null, 2)}\n`, {
    mode: 0o600,
  })
  return true
}
