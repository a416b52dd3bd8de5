/** What both HTTP servers of this room share: listening as a value, short answers, an end that does not wait for ever. */
import type { Server, ServerResponse } from 'node:http'

/** What came of an attempt to listen: the server, or a sentence for the operator and what to do about it. */
export type Served =
  | { readonly ok: true; readonly server: AdminServer }
  | ({ readonly ok: false } & ListenProblem)

export interface ListenProblem {
  readonly problem: string
  /** Follows "Fix: ". */
  readonly remedy: string
}

export interface AdminServer {
  /** Address it listens on: the socket's path, or `host:port` with the port the system chose. */
  readonly address: string
  /** Takes no new call, gives those in progress a second, and resolves when every connection is gone. */
  close(): Promise<void>
}

const CLOSE_GRACE_MS = 1_000

/** Resolves to null once `begin` made the server listen, or to the error that kept it from it. */
export async function listening(server: Server, begin: () => void): Promise<NodeJS.ErrnoException | null> {
  return await new Promise((resolve) => {
    const onError = (error: Error) => resolve(error)
    server.once('error', onError)
    server.once('listening', () => {
      server.off('error', onError)
      resolve(null)
    })
    try {
      begin()
    } catch (error) {
      resolve(error as Error)
    }
  })
}

/** Ends a server; see AdminServer.close. */
export async function closeServer(server: Server): Promise<void> {
  const grace = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS)
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
    server.closeIdleConnections()
  })
  clearTimeout(grace)
}

export function answer(response: ServerResponse, status: number, type: string, body: string): void {
  if (response.headersSent || response.destroyed) return
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) })
  response.end(body)
}

export function answerJson(response: ServerResponse, status: number, value: unknown): void {
  answer(response, status, 'application/json; charset=utf-8', `${JSON.stringify(value)}\n`)
}

/** `promise`, or a rejection when it takes longer than `milliseconds`. What it was waiting for goes on. */
export async function withDeadline<T>(promise: Promise<T>, milliseconds: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DeadlineFault(what, milliseconds)), milliseconds)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Something took too long. */
export class DeadlineFault extends Error {
  constructor(what: string, milliseconds: number) {
    super(`${what} did not answer within ${milliseconds / 1000} s`)
    this.name = 'DeadlineFault'
  }
}
