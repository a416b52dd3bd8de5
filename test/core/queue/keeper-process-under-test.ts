/** A keeper's process over a folder, ended when the test ends, and connections to it. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import type { FromKeeperProcess, ToKeeperProcess } from '../../../core/process/keeper-messages.ts'
import type { Keeper } from '../../../core/queue/keeper.ts'
import { FRAME, type Frame, FrameReader, frameOctets } from '../../../core/queue/keeper-frames.ts'
import { connectKeeper } from '../../../core/queue/keeper-socket.ts'

const ENTRY = new URL('../../../core/process/keeper.ts', import.meta.url)

export interface KeeperProcess {
  readonly child: ChildProcess
  readonly socketPath: string
  /** As its supervisor does at the end. */
  close(): Promise<void>
  /** At once, as an accident does. */
  kill(): Promise<void>
}

/** @throws with what it said when it refuses */
export async function forkKeeper(t: TestContext, directory: string): Promise<KeeperProcess> {
  const child = fork(ENTRY, [directory, 'error'])
  const exited = once(child, 'exit')
  t.after(() => child.kill('SIGKILL'))
  const [message] = (await once(child, 'message')) as [FromKeeperProcess]
  if (message.type === 'refused') throw new Error(message.message)
  return {
    child,
    socketPath: message.socketPath,
    async close() {
      if (child.connected) child.send({ type: 'close' } satisfies ToKeeperProcess)
      await exited
    },
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

/** A connection of which it is a failure that it dies. */
export function connected(socketPath: string, owner: string, onWork = (): void => {}): Promise<Keeper> {
  const onDeath = (fault: Error): void => {
    throw fault
  }
  return connectKeeper({ socketPath, owner, onDeath, onWork })
}

/** A connection that says what it likes, and hears what it is told. */
export class RawPeer {
  readonly socket: Socket
  readonly heard: Frame[] = []

  constructor(socketPath: string) {
    const reader = new FrameReader()
    this.socket = connect(socketPath)
    this.socket.on('data', (chunk: Buffer) => this.heard.push(...reader.push(chunk)))
    this.socket.on('error', () => {})
  }

  say(kind: number, text = '', parts: readonly ArrayBuffer[] = []): void {
    for (const octets of frameOctets(kind, text, parts)) this.socket.write(octets)
  }

  hello(owner: string): void {
    this.say(FRAME.hello, JSON.stringify({ owner }))
  }

  /** Also when it ends with an error. */
  async closed(): Promise<void> {
    if (!this.socket.closed) await new Promise((resolve) => this.socket.once('close', resolve))
  }
}
