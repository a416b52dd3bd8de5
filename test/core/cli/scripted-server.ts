/** An SMTP server that says what it was told to say, line by line, and keeps what it heard. */
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

export interface ScriptedServer {
  readonly port: number
  /** Lines the client sent, message lines included, without line ends. */
  readonly heard: readonly string[]
}

/** The reply to a line; '' says nothing, null closes the connection. */
export type Script = (line: string) => string | null

/** Replies of a server that takes everything, as `q_bcdfghjklmnp`. */
export function accepting(line: string): string | null {
  if (line === 'greeting') return '220 mx.example.test ESMTP'
  if (line.startsWith('EHLO')) return '250-mx.example.test\r\n250-SIZE 1000000\r\n250 8BITMIME'
  if (line === 'DATA') return '354 go ahead'
  if (line === '.') return '250 2.0.0 queued as q_bcdfghjklmnp'
  if (line === 'QUIT') return '221 2.0.0 bye'
  return /^(MAIL|RCPT) /.test(line) ? '250 2.1.0 fine' : ''
}

/** Serves `script` on a loopback port until the test ends. It is asked for the greeting as `greeting`. */
export async function serveScript(t: TestContext, script: Script): Promise<ScriptedServer> {
  const heard: string[] = []
  const server = createServer((socket) => converse(socket, script, heard))
  t.after(() => server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: (server.address() as AddressInfo).port, heard }
}

function converse(socket: Socket, script: Script, heard: string[]): void {
  const say = (line: string) => {
    const reply = script(line)
    if (reply === null) socket.destroy()
    else if (reply !== '') socket.write(`${reply}\r\n`)
  }
  let rest = ''
  socket.setEncoding('latin1')
  socket.on('error', () => {})
  socket.on('data', (text: string) => {
    const lines = (rest + text).split('\r\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      heard.push(line)
      say(line)
    }
  })
  say('greeting')
}
