/** Simple aligned tables: two spaces between columns, nothing drawn, so that they can be cut and searched. */
import { visible } from './visible-text.ts'

export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
}

const GAP = '  '
/** Widest cell on a terminal, the last column excepted. */
const MAX_CELL_WIDTH = 44
/** The last column keeps so much on the narrowest terminal: reasons stand there, and lines rather wrap than lose them. */
const LEAST_LAST_WIDTH = 40

/**
 * Lines of the table, titles first. Cells are made visible here.
 *
 * @param width columns of the terminal; null when the output is no terminal, and nothing is cut then
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number | null,
): readonly string[] {
  const last = columns.length - 1
  const shown = [columns.map(({ title }) => title), ...rows].map((row) =>
    columns.map((_, i) => {
      const cell = visible(row[i] ?? '')
      return width === null || i === last ? cell : clip(cell, MAX_CELL_WIDTH)
    }),
  )
  const widths = columns.map((_, i) => Math.max(...shown.map((row) => row[i]?.length ?? 0)))
  const used = widths.slice(0, last).reduce((sum, one) => sum + one + GAP.length, 0)
  return shown.map((row) => {
    const cells = row.map((cell, i) => {
      if (columns[i]?.align === 'right') return cell.padStart(widths[i] ?? 0)
      if (i < last) return cell.padEnd(widths[i] ?? 0)
      return width === null ? cell : clip(cell, Math.max(LEAST_LAST_WIDTH, width - used))
    })
    return cells.join(GAP).trimEnd()
  })
}

function clip(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`
}
