/** `postern plugin test`: runs the tests beside a plugin, which load it into a real isolate. */
import { spawn } from 'node:child_process'
import { existsSync, globSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { Command } from 'commander'
import type { CommandLine } from '../command-line.ts'
import { CommandFault, EXIT, type ExitCode } from '../exit-code.ts'

export function pluginTestCommand(line: CommandLine): Command {
  return new Command('test')
    .description('Run the tests beside a plugin (*.test.ts).')
    .argument('<path>', 'the plugin, or its folder')
    .addHelpText('after', '\nExample:\n  postern plugin test ./plugins/no-robots')
    .action(line.action(async (path: string) => await test(line, path)))
}

async function test(line: CommandLine, path: string): Promise<ExitCode> {
  const folder = folderOf(resolve(path))
  const files = globSync('**/*.test.ts', { cwd: folder, exclude: (name) => name === 'node_modules' })
  if (files.length === 0)
    throw new CommandFault(
      EXIT.problem,
      `There is no test in ${folder}.\nFix: write one in ${join(folder, 'index.test.ts')}`,
    )
  const reporter = line.json ? ['--test-reporter=tap'] : []
  const code = await run([...reporter, '--test', ...files], folder)
  return code === 0 ? EXIT.fine : EXIT.problem
}

function folderOf(path: string): string {
  if (!existsSync(path)) throw new CommandFault(EXIT.problem, `There is no plugin at ${path}.`)
  return statSync(path).isDirectory() ? path : dirname(path)
}

function run(args: readonly string[], cwd: string): Promise<number> {
  const { promise, resolve: ended, reject } = Promise.withResolvers<number>()
  spawn(process.execPath, args, { cwd, stdio: 'inherit' })
    .on('error', reject)
    .on('exit', (code) => ended(code ?? 1))
  return promise
}
