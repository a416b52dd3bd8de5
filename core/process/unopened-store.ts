/** Why a gateway does not start: its store cannot be opened. */
import type { Problem } from '../../config/problem.ts'
import type { StoreFault } from '../queue/queue-store.ts'

/** @param fault what the store says, without the full stop */
export function unopenedStore(
  directory: string,
  { code, message: reason }: Pick<StoreFault, 'code' | 'message'>,
): Problem {
  if (code === 'damaged') return damagedStore(directory, reason)
  const message = `The store cannot be opened: ${reason}.`
  const remedy =
    'check the permissions of the folder and the space on its volume; store.directory names another'
  return { code: 'P3022', place: directory, message, remedy }
}

function damagedStore(directory: string, reason: string): Problem {
  const message = `A database of the store is damaged: ${reason}. Nothing was changed.`
  const remedy =
    'copy the folder somewhere safe, then run `postern salvage`: it keeps the damaged files and saves what can be read'
  return { code: 'P3023', place: directory, message, remedy }
}
