/** `postern plugin new`: a folder with a plugin that works, its test, and types an editor finds. */
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { Command } from 'commander'
import type { CommandLine } from '../command-line.ts'
import { CommandFault, EXIT, type ExitCode } from '../exit-code.ts'
import { packageRoot } from '../package-root.ts'
import { pluginTemplate } from '../plugin-template.ts'

const NAME = /^[a-z][a-z0-9-]{0,39}$/

interface NewOptions {
  readonly in: string
}

export function pluginNewCommand(line: CommandLine): Command {
  return new Command('new')
    .description('Write a new plugin that works, with its test.')
    .argument('<name>', 'lower-case letters, digits and hyphens')
    .option('--in <folder>', 'folder the plugin gets its own folder in', './plugins')
    .addHelpText('after', '\nExample:\n  postern plugin new no-robots')
    .action(line.action(async (name: string, options: NewOptions) => create(line, name, options)))
}

async function create(line: CommandLine, name: string, options: NewOptions): Promise<ExitCode> {
  if (!NAME.test(name))
    throw new CommandFault(
      EXIT.usage,
      `"${name}" is no name for a plugin: lower-case letters, digits and hyphens.`,
    )
  const folder = resolve(options.in, name)
  if (existsSync(folder))
    throw new CommandFault(EXIT.problem, `There is something at ${folder} already.\nFix: choose another name`)
  mkdirSync(folder, { recursive: true })
  const files = pluginTemplate(name)
  for (const { path, text } of files) writeFileSync(join(folder, path), text)
  const linked = linkPostern(folder)
  if (line.json) line.output.json({ folder, files: files.map(({ path }) => path), linked })
  else line.output.print(report(name, folder, options.in, linked))
  return EXIT.fine
}

/** Makes `postern` resolvable from the plugin's folder, unless it is. */
function linkPostern(folder: string): boolean {
  try {
    createRequire(join(folder, 'index.ts')).resolve('postern')
    return false
  } catch {
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(packageRoot(), join(folder, 'node_modules', 'postern'), 'dir')
    return true
  }
}

function report(name: string, folder: string, parent: string, linked: boolean): string {
  const path = join(parent, name)
  return [
    `${folder} has a plugin that works, and its test.`,
    ...(linked ? ['Its node_modules/postern leads to this gateway, for types and tests.'] : []),
    '',
    `Test it:   postern plugin test ${path}`,
    `Check it:  postern plugin check ${path}`,
    `Use it:    plugins:\n             - path: ${resolve(path)}`,
  ].join('\n')
}
