/** `postern explain`: what was decided about a mail, and why. */
import { Command } from 'commander'
import type { CommandLine } from '../command-line.ts'
import { CommandFault, EXIT } from '../exit-code.ts'
import { formatSession } from '../way.ts'

export function explainCommand(line: CommandLine): Command {
  return new Command('explain')
    .description('Show what every plugin said about a mail, and what became of it.')
    .argument('<key>', 'reference of a refusal (r_…), queue id (q_…) or session id (s_…)')
    .addHelpText('after', '\nExample:\n  postern explain r_bcdfghjk')
    .action(
      line.action(async (key: string) => {
        const session = await (await line.control()).explain(key)
        if (session === null)
          throw new CommandFault(
            EXIT.problem,
            `Nothing is known about ${key}: the record keeps the newest sessions only (setting record.sessions), ` +
              'and none from before the last start.',
          )
        if (line.json) line.output.json(session)
        else for (const text of formatSession(session, line.output)) line.output.print(text)
        return EXIT.fine
      }),
    )
}
