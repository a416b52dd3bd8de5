/** The entry of the program: the command line goes to core/cli, its exit code to the caller. */
import { run } from './cli/program.ts'

process.exitCode = await run(process.argv.slice(2))
