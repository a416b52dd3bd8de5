/** The folder Postern lives in, whether it runs from source or from a build inside of it. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Absolute path of the nearest folder above this file with a package.json. */
export function packageRoot(): string {
  let folder = import.meta.dirname
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder)
    if (parent === folder) throw new Error(`no package.json above ${import.meta.dirname}`)
    folder = parent
  }
  return folder
}

export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
    version: string
  }
  return version
}
