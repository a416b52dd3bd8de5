/** `postern queue age`: who is owed mail, by domain and by age. */
import { Command } from 'commander'
import type { AgeRow } from '../../admin/control.ts'
import type { CommandLine } from '../command-line.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { addFilterOptions, type FilterOptions, toFilter, wholeNumber } from '../queue-filter.ts'
import { type Column, formatTable } from '../table.ts'

const DEFAULT_LIMIT = 20
/** Minutes: the bounds of the columns. */
const BOUNDS = ['5', '10', '20', '40', '80', '160', '320', '640', '1280', '1280+'] as const

interface AgeOptions extends FilterOptions {
  readonly limit: number
}

export function queueAgeCommand(line: CommandLine): Command {
  return addFilterOptions(new Command('age'))
    .description('Show how many recipients wait in each domain, by the age of their message in minutes.')
    .option('--limit <count>', 'at most so many domains', wholeNumber(1, 100_000), DEFAULT_LIMIT)
    .addHelpText(
      'after',
      '\nExamples:\n  postern queue age\n  postern queue age --state held --from @example.test',
    )
    .action(line.action(async (options: AgeOptions) => await age(line, options)))
}

async function age(line: CommandLine, options: AgeOptions): Promise<ExitCode> {
  const control = await line.control()
  const rows = await control.queueAge(toFilter(options))
  if (line.json) {
    line.output.json({
      boundsMinutes: BOUNDS.slice(0, -1).map(Number),
      domains: rows.slice(0, options.limit),
      more: rows.length > options.limit,
    })
    return EXIT.fine
  }
  for (const text of formatAges(rows, options.limit, line.output.width)) line.output.print(text)
  if (rows.length > options.limit)
    line.output.complain(
      `There are ${rows.length} domains, these are the ${options.limit} most: use --limit, or a filter.`,
    )
  return EXIT.fine
}

/** As of `qshape`: a line for all, then one for each domain. */
export function formatAges(rows: readonly AgeRow[], limit: number, width: number | null): readonly string[] {
  const total = BOUNDS.map((_, index) => rows.reduce((sum, { counts }) => sum + (counts[index] ?? 0), 0))
  const columns: readonly Column[] = ['DOMAIN', 'TOTAL', ...BOUNDS].map((title, index) =>
    index === 0 ? { title } : { title, align: 'right' },
  )
  const cells = ({ domain, counts }: AgeRow): readonly string[] => [
    domain,
    String(counts.reduce((sum, count) => sum + count, 0)),
    ...counts.map(String),
  ]
  return formatTable(columns, [{ domain: 'TOTAL', counts: total }, ...rows.slice(0, limit)].map(cells), width)
}
