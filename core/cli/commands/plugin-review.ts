/** `postern plugin review` and `approve`: what a plugin is and may do, and the decision about it in postern.lock. */
import { resolve } from 'node:path'
import { Command } from 'commander'
import type { Reviewed, ReviewedSetting } from '../../../sandbox/review.ts'
import { type CommandLine, formatProblems } from '../command-line.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { visible } from '../visible-text.ts'

const CRITICAL = 'critical: '

export function pluginReviewCommand(line: CommandLine): Command {
  return new Command('review')
    .description('Show what a plugin is and may do, and what has changed since it was approved.')
    .argument('<path>', 'a .ts file, or a folder with an index.ts')
    .addHelpText('after', '\nExample:\n  postern plugin review ./plugins/no-robots')
    .action(line.action(async (path: string) => await review(line, path)))
}

export function pluginApproveCommand(line: CommandLine): Command {
  return new Command('approve')
    .description('Approve a plugin as it is now: its code and its permissions, in postern.lock.')
    .argument('<path>', 'a .ts file, or a folder with an index.ts')
    .option('--build <sha256>', 'approve it only when its build is this one, as review shows it')
    .addHelpText('after', '\nExample:\n  postern plugin approve ./plugins/no-robots')
    .action(
      line.action(
        async (path: string, { build = null }: { readonly build?: string | null }) =>
          await approve(line, path, build),
      ),
    )
}

async function review(line: CommandLine, path: string): Promise<ExitCode> {
  const reviewed = await reviewedPlugin(line, path)
  if ('problems' in reviewed) return complain(line, reviewed)
  if (line.json) line.output.json(reviewed)
  else
    for (const text of [...formatReview(reviewed), ...formatCommand(reviewed, path)]) line.output.print(text)
  return EXIT.fine
}

async function approve(line: CommandLine, path: string, meant: string | null): Promise<ExitCode> {
  const reviewed = await reviewedPlugin(line, path)
  if ('problems' in reviewed) return complain(line, reviewed)
  const lockFile = await line.rooms.lockFileOf(line.configFile())
  const approved = await line.rooms.approvePlugin(reviewed, lockFile, meant)
  if ('problems' in approved) return complain(line, approved)
  const { name, version, build } = reviewed
  if (line.json) line.output.json({ name, version, build, lock: lockFile, isNew: approved.isNew })
  else {
    line.output.print(`${visible(name)} ${visible(version)} is approved in ${lockFile}:`)
    for (const text of formatReview(reviewed).slice(1)) line.output.print(text)
    if (approved.isNew)
      line.output.print('From now on every plugin with "path:" starts only as it was approved.')
    line.output.print('A running gateway takes it over with "postern reload".')
  }
  return EXIT.fine
}

async function reviewedPlugin(line: CommandLine, path: string): ReturnType<typeof line.rooms.reviewPlugin> {
  return await line.rooms.reviewPlugin(resolve(path), await line.rooms.lockFileOf(line.configFile()))
}

function complain(line: CommandLine, outcome: { readonly problems: Parameters<typeof formatProblems>[0] }) {
  if (line.json) line.output.json(outcome)
  else line.output.complain(formatProblems(outcome.problems))
  return EXIT.problem
}

function formatReview(plugin: Reviewed): readonly string[] {
  const { name, version, file, build, sizeBytes, hooks, sentences, settings, packages } = plugin
  return [
    `${visible(name)} ${visible(version)}   ${visible(file)}   ${sizeBytes} octets`,
    `build: ${build}`,
    `hooks: ${hooks.join(', ')}`,
    ...(packages.length === 0 ? [] : ['Packages in it:']),
    ...packages.map((one) => `  ${visible(`${one.name} ${one.version}`)}   ${one.bytes} octets`),
    ...(sentences.length === 0 ? ['It asks for no permission.'] : ['It']),
    ...sentences.map((sentence) => `  ${withRisk(sentence)}`),
    ...(settings.length === 0 ? [] : ['Settings:']),
    ...settings.map((setting) => `  ${visible(formatSetting(setting))}`),
    ...formatDifference(plugin),
  ]
}

function withRisk(sentence: string): string {
  return sentence.startsWith(CRITICAL)
    ? `critical   ${visible(sentence.slice(CRITICAL.length))}`
    : `ordinary   ${visible(sentence)}`
}

function formatSetting(setting: ReviewedSetting): string {
  const { name, type, isRequired, description } = setting
  const parts = [type]
  if (isRequired) parts.push('required')
  if ('default' in setting) parts.push(`default ${JSON.stringify(setting.default)}`)
  return `${name}: ${parts.join(', ')}${description === '' ? '' : `   ${description}`}`
}

/** Approves what was shown, and not what the file may have become meanwhile. */
function formatCommand({ approved, build }: Reviewed, path: string): readonly string[] {
  if (approved !== null && isAsApproved(approved)) return []
  const word = /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
  return ['Approve exactly this with:', `  postern plugin approve ${visible(word)} --build ${build}`]
}

function isAsApproved({ isSameBuild, added, removed }: NonNullable<Reviewed['approved']>): boolean {
  return isSameBuild && added.length === 0 && removed.length === 0
}

function formatDifference({ approved }: Reviewed): readonly string[] {
  if (approved === null) return ['It is not approved.']
  const { isSameBuild, at, build, added, removed } = approved
  const code = isSameBuild ? 'this code' : `other code, ${build}`
  return [
    `Approved on ${visible(at)}: ${code}${isAsApproved(approved) ? ' with these permissions' : ''}.`,
    ...added.map((sentence) => `  new    ${visible(sentence)}`),
    ...removed.map((sentence) => `  gone   ${visible(sentence)}`),
  ]
}
