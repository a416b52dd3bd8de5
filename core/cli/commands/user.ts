/** `postern user set|list|remove`: the file of those who may sign in. A running gateway notices by itself. */
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Command } from 'commander'
import type { User } from '../../credentials/user.ts'
import type { UsersEdit } from '../../credentials/users-file.ts'
import type { CommandLine } from '../command-line.ts'
import { CommandFault, EXIT, type ExitCode } from '../exit-code.ts'
import { askPassword, passwordFrom } from '../password-prompt.ts'
import { visible } from '../visible-text.ts'

export function userCommand(line: CommandLine): Command {
  const command = new Command('user')
    .description('Say who may sign in to send mail.')
    .addHelpText('after', '\nExample:\n  postern user set anna@example.test')
  command
    .command('set')
    .description('Add a user, or give one a new password. The password is asked for.')
    .argument('<name>', 'what the user signs in with')
    .option('--password-stdin', 'read the password from standard input instead, its first line')
    .addHelpText(
      'after',
      '\nExamples:\n  postern user set anna@example.test\n  pwgen 20 1 | postern user set anna@example.test --password-stdin',
    )
    .action(
      line.action(
        async (name: string, { passwordStdin = false }: { passwordStdin?: boolean }) =>
          await set(line, name, passwordStdin),
      ),
    )
  command
    .command('list')
    .description('List the users.')
    .addHelpText('after', '\nExample:\n  postern user list')
    .action(line.action(async () => await list(line)))
  command
    .command('remove')
    .description('Remove a user. Sessions that are signed in go on.')
    .argument('<name>', 'what the user signs in with')
    .addHelpText('after', '\nExample:\n  postern user remove anna@example.test')
    .action(line.action(async (name: string) => await remove(line, name)))
  return command
}

async function set(line: CommandLine, name: string, isPiped: boolean): Promise<ExitCode> {
  const file = await usersFile(line)
  const password = isPiped ? await passwordFrom(process.stdin) : await chosenPassword(name)
  const user = await newUser(name, password)
  const { setUser } = await import('../../credentials/users-file.ts')
  // With the shipped configuration that folder is the store, which is nobody else's to read.
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  done(await setUser(file, user), file, name)
  return told(line, { user: user.name, file, set: true }, `${visible(user.name)} may sign in now.`)
}

async function list(line: CommandLine): Promise<ExitCode> {
  const file = await usersFile(line)
  const { listUsers, readUsers } = await import('../../credentials/users-file.ts')
  const read = await readUsers(file)
  if (read.kind === 'unreadable') throw unusable(file, read.reason)
  if (read.kind === 'malformed') throw unusable(file, problemLines(read.problems))
  const names = read.kind === 'missing' ? [] : listUsers(read.users)
  const text =
    names.length === 0 ? 'Nobody may sign in yet: postern user set NAME' : names.map(visible).join('\n')
  return told(line, { file, users: names }, text)
}

async function remove(line: CommandLine, name: string): Promise<ExitCode> {
  const file = await usersFile(line)
  const { removeUser } = await import('../../credentials/users-file.ts')
  done(await removeUser(file, name), file, name)
  return told(line, { user: name, file, removed: true }, `${visible(name)} may not sign in any more.`)
}

async function usersFile(line: CommandLine): Promise<string> {
  const { users } = await line.config()
  if (users !== null) return users
  throw new CommandFault(
    EXIT.problem,
    'The configuration names no file of users.\nFix: add a line such as  users: ./users',
  )
}

/** Asked twice, since nobody sees what is typed. */
async function chosenPassword(name: string): Promise<string> {
  if (!process.stdin.isTTY)
    throw new CommandFault(
      EXIT.usage,
      'There is no terminal to ask for a password at.\nFix: pipe it in, with --password-stdin',
    )
  const first = await askPassword(process.stdin, process.stderr, `Password for ${visible(name)}: `)
  const again = first === null ? null : await askPassword(process.stdin, process.stderr, 'Once more: ')
  if (first === null || again === null) throw new CommandFault(EXIT.problem, 'Nothing was changed.')
  if (first !== again)
    throw new CommandFault(EXIT.problem, 'The two passwords differ, so nothing was changed.')
  return first
}

async function newUser(name: string, password: string): Promise<User> {
  const { newUser: make } = await import('../../credentials/user.ts')
  const made = make(name, password)
  if (made.ok) return made.user
  throw new CommandFault(EXIT.usage, `Nothing was changed: ${made.reason}.`)
}

function done(edit: UsersEdit, file: string, name: string): void {
  switch (edit.kind) {
    case 'done':
      return
    case 'unknown-user':
      throw new CommandFault(
        EXIT.problem,
        `There is no user ${visible(name)} in ${file}.\nThose there are: postern user list`,
      )
    case 'malformed':
      throw unusable(file, problemLines(edit.problems))
    case 'failed':
      throw unusable(file, edit.reason)
  }
}

function unusable(file: string, reason: string): CommandFault {
  return new CommandFault(EXIT.problem, `The file of users ${file} cannot be used: ${reason}`)
}

function problemLines(problems: readonly { readonly line: number; readonly text: string }[]): string {
  return problems.map(({ line, text }) => `line ${line}: ${text}`).join('\n')
}

function told(line: CommandLine, json: unknown, text: string): ExitCode {
  if (line.json) line.output.json(json)
  else line.output.print(text)
  return EXIT.fine
}
