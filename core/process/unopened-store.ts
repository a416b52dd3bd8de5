/** Why a gateway does not start: its store cannot be opened. */
import type { Problem } from '../../config/problem.ts'

/** @param reason what the store says, without the full stop */
export function unopenedStore(directory: string, reason: string): Problem {
  const message = `The store cannot be opened: ${reason}.`
  const remedy =
    'check the permissions of the folder and the space on its volume; store.directory names another'
  return { code: 'P3022', place: directory, message, remedy }
}
