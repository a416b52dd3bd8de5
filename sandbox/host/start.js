// Entry of a plughost. Without a JIT compiler there is no WebAssembly, and without that Node cannot take the types out
// of a file: the worker has done it and hands the JavaScript of this folder over in descriptor 0, a file without a name.
// So nothing of the gateway has to be readable for the user this process runs as, but this file and isolated-vm.
import { fstatSync, readSync } from 'node:fs'
import { registerHooks } from 'node:module'

const SOURCES = 0

/** JavaScript by URL of the module. */
const sources = new Map(Object.entries(JSON.parse(readSources())))

registerHooks({
  load: (url, context, nextLoad) => {
    const source = sources.get(url)
    return source === undefined ? nextLoad(url, context) : { format: 'module', source, shortCircuit: true }
  },
})

await import(new URL('main.ts', import.meta.url).href)

// Every plughost of a worker shares the file and its offset, so each reads at positions of its own.
function readSources() {
  const bytes = Buffer.alloc(fstatSync(SOURCES).size)
  let read = 0
  while (read < bytes.length) {
    const more = readSync(SOURCES, bytes, read, bytes.length - read, read)
    if (more === 0) break
    read += more
  }
  return bytes.toString('utf8', 0, read)
}
