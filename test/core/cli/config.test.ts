import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Config } from '../../../config/config.ts'
import type { Problem } from '../../../config/problem.ts'
import { postern } from './child.ts'
import { temporaryFolder } from './fake-gateway.ts'
import { runHere } from './in-process.ts'

const noProblems = { checkPlugins: async () => [] }

test('a good configuration is fine, and says what is in it', async () => {
  const { code, stdout } = await runHere(['config', 'check'], noProblems)
  assert.equal(code, 0)
  assert.match(stdout, /^config\/postern\.yaml is fine: 2 listeners, 1 domain, \d plugins\.\n$/)
})

test('config check reads the file it is given', async (t) => {
  const file = join(await temporaryFolder(t), 'mine.yaml')
  await writeFile(file, 'hostname: mx.example.test\n')
  const { stdout } = await runHere(['config', 'check', file], noProblems)
  assert.equal(stdout, `${file} is fine: 1 listener, 0 domains, 0 plugins.\n`)
})

test('a bad configuration ends with 1, every problem with its place and its fix', async (t) => {
  const file = join(await temporaryFolder(t), 'bad.yaml')
  await writeFile(file, 'hostnam: mx.example.test\nlisteners: 5\n')
  for (const args of [
    ['config', 'check', file],
    ['config', 'check', '--config', file],
  ]) {
    const { code, stdout, stderr } = await postern(args)
    assert.deepEqual({ code, stderr }, { code: 1, stderr: '' })
    assert.match(stdout, /P1101 {2}\S*bad\.yaml:1:1 .*\n[^]*Fix: .*hostname/)
    assert.match(stdout, /bad\.yaml:2:12/)
    assert.match(stdout, /bad\.yaml has 2 problems\.\n$/)
  }
  const json = JSON.parse((await postern(['config', 'check', file, '--json'])).stdout) as {
    ok: boolean
    problems: Problem[]
  }
  assert.equal(json.ok, false)
  assert.equal(json.problems[0]?.code, 'P1101')
})

test('a file that is not there ends with 1', async () => {
  const { code, stdout } = await postern(['config', 'check', '/nowhere/postern.yaml'])
  assert.equal(code, 1)
  assert.match(stdout, /P1100 {2}\/nowhere\/postern\.yaml/)
})

test('problems of plugins are problems of the configuration', async () => {
  const problem = {
    code: 'P1003',
    place: 'a.ts:6',
    message: 'There is no hook called "recipient".',
    remedy: 'use "rcpt"',
  }
  const { code, stdout } = await runHere(['config', 'check'], { checkPlugins: async () => [problem] })
  assert.equal(code, 1)
  assert.match(stdout, /^P1003 {2}a\.ts:6 {2}There is no hook called "recipient"\.\nFix: use "rcpt"\n/)
})

test('config show has every default, and the secrets masked', async (t) => {
  const file = join(await temporaryFolder(t), 'mine.yaml')
  await writeFile(file, 'hostname: ${env:OUR_NAME}\n')
  const env = { OUR_NAME: 'mx.example.test' }
  const { code, stdout } = await postern(['config', 'show', '--config', file], { env })
  assert.equal(code, 0)
  assert.match(stdout, /^hostname: ‹secret›\n/)
  assert.match(stdout, /\nlisteners:\n/)
  const json = JSON.parse(
    (await postern(['config', 'show', '--config', file, '--json'], { env })).stdout,
  ) as object
  assert.equal((json as { hostname: string }).hostname, '‹secret›')
})

test('start runs the gateway with the configuration and ends with its exit code', async () => {
  const started: { config: Config; file: string }[] = []
  const { code } = await runHere(['start'], {
    runSupervisor: async (config, file) => {
      started.push({ config, file })
      return 4
    },
  })
  assert.equal(code, 4)
  assert.equal(started.length, 1)
  assert.match(started[0]?.file ?? '', /^\/.*config\/postern\.yaml$/)
  assert.equal(started[0]?.config.file, started[0]?.file)
})

test('start with a bad configuration starts nothing', async (t) => {
  const file = join(await temporaryFolder(t), 'bad.yaml')
  await writeFile(file, 'listeners: 5\n')
  const { code, stderr } = await runHere(['start', '--config', file], {
    runSupervisor: async () => assert.fail('started'),
  })
  assert.equal(code, 1)
  assert.match(stderr, /bad\.yaml:1:12 .*\n[^]*Fix: /)
})
