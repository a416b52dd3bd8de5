/**
 * A sandbox in a process that may open few files. Says on stdout, a line of JSON each, what happens when it opens a
 * sandbox, or replaces a killed plughost, with so many files left to open: `starved-child.ts open|replace LEFT`.
 */
import { closeSync, openSync } from 'node:fs'
import { bundledPlugin, problemsOf, testSandbox } from '../support/sandbox.ts'
import { until } from '../support/until.ts'

/** The first two tries fall into it. */
const STARVED_MS = 500
const [what = '', left = '0'] = process.argv.slice(2)
const plugins = [bundledPlugin('relay-control')]

/** Leaves so many files; returns what gives the others back. */
function starve(count: number): () => void {
  const taken: number[] = []
  try {
    for (;;) taken.push(openSync('/dev/null', 'r'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error
  }
  for (const file of taken.splice(0, count)) closeSync(file)
  return () => {
    for (const file of taken) closeSync(file)
  }
}

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

if (what === 'open') {
  const feed = starve(Number(left))
  const problems = await problemsOf(plugins)
  feed()
  say({ problems })
} else {
  const sandbox = await testSandbox(plugins)
  await sandbox.rcpt('well')
  process.kill(sandbox.pidOf('relay-control') ?? 0, 'SIGKILL')
  const asked = sandbox.rcpt('well')
  await until(() => sandbox.logged.some(({ event }) => event === 'plughost-died'), 'the death')
  // Before the next one is tried.
  const feed = starve(Number(left))
  await new Promise((resolve) => setTimeout(resolve, STARVED_MS))
  feed()
  const reports = await asked
  say({ answered: reports.map(({ fault }) => fault), events: sandbox.logged.map(({ event }) => event) })
  sandbox.close()
}
process.exit(0)
