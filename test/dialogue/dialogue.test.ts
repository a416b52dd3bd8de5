import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseDialogue, playDialogue } from '../support/dialogue.ts'

const folder = new URL('.', import.meta.url)
const files = readdirSync(folder).filter((name) => name.endsWith('.smtp'))

for (const file of files) {
  const dialogue = parseDialogue(readFileSync(new URL(file, folder), 'utf8'))
  test(`${file}: ${dialogue.name}`, () => playDialogue(dialogue))
}

test('there are dialogues', () => assert.ok(files.length >= 20))

test('a dialogue that goes otherwise fails with its line', async () => {
  const wrong = parseDialogue('# wrong\nc <* 220\nc -> NOOP\nc <- 250 2.0.0 Nope')
  await assert.rejects(playDialogue(wrong), /line 4: c <- 250 2\.0\.0 Nope/)
})
