/**
 * The PROXY header, versions 1 and 2 (HAProxy, proxy-protocol.txt): who the client of a proxy is, said before anything
 * else on its connection. Everything that is no header is refused, so that nobody gets past the proxy.
 */
import { isIPv4, isIPv6, type Socket } from 'node:net'
import type { Log } from '../observe/log.ts'
import { canonicalAddress, TrustedNetworks } from './client-network.ts'

/** What the octets so far come to. `length`: octets of the header. `none`: the proxy speaks for itself. */
export type ProxyHeader =
  | { readonly kind: 'more' }
  | { readonly kind: 'client'; readonly length: number; readonly address: string; readonly port: number }
  | { readonly kind: 'none'; readonly length: number }
  | { readonly kind: 'refused'; readonly reason: string }

/** Where a connection comes from. */
export interface ProxiedClient {
  readonly address: string
  readonly port: number
}

/** How long a header may take. A proxy sends it with its first segment. */
const HEADER_MS = 5_000
/** Longest line of version 1, its CRLF counted (section 2.1). */
const MAX_LINE_BYTES = 107
/** Longest address block and TLVs of version 2. Certificates and the like are in TLVs; more is seen nowhere. */
const MAX_BLOCK_BYTES = 4_096

const MORE: ProxyHeader = { kind: 'more' }
const WORD = Buffer.from('PROXY ')
const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
const LINE = /^PROXY TCP([46]) (\S+) (\S+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4})$/
/** Version 2, byte 14: TCP over IPv4 and over IPv6, with the octets of their addresses. */
const BLOCKS: ReadonlyMap<number, number> = new Map([
  [0x11, 12],
  [0x21, 36],
])
const UNSPECIFIED = 0x00

/** Reads the header from the start of `bytes`. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  if (startsLike(bytes, SIGNATURE)) return parseBinary(bytes)
  return startsLike(bytes, WORD) ? parseLine(bytes) : refused('there is no PROXY header')
}

/**
 * Who the client of this connection is, once its header was read; the socket is as if nothing had been before. A
 * connection from elsewhere, or without a header, is closed and logged, and nobody is told of it.
 */
export function throughProxy(
  socket: Socket,
  networks: readonly string[],
  log: Log,
  found: (client: ProxiedClient) => void,
): void {
  const { remoteAddress = '', remotePort = 0 } = socket
  const proxy = remoteAddress === '' ? '' : canonicalAddress(remoteAddress)
  const end = (reason: string): void => {
    log.warn('proxy-refused', { proxy, reason })
    socket.destroy()
  }
  socket.on('error', ignore)
  if (proxy === '' || !new TrustedNetworks(networks).has(proxy)) return end('the address is no proxy of ours')
  let bytes: Buffer = Buffer.alloc(0)
  const stop = (): void => {
    clearTimeout(timer)
    socket.off('data', take)
    socket.off('close', stop)
    socket.pause()
  }
  const take = (piece: Buffer): void => {
    bytes = bytes.length === 0 ? piece : Buffer.concat([bytes, piece])
    const header = parseProxyHeader(bytes)
    if (header.kind === 'more') return
    stop()
    if (header.kind === 'refused') return end(header.reason)
    const rest = bytes.subarray(header.length)
    if (rest.length > 0) socket.unshift(rest)
    socket.off('error', ignore)
    found(header.kind === 'client' ? header : { address: proxy, port: remotePort })
  }
  const timer = setTimeout(() => {
    stop()
    end('the PROXY header takes too long')
  }, HEADER_MS)
  socket.on('data', take)
  socket.on('close', stop)
}

function startsLike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length)
  return bytes.subarray(0, length).equals(start.subarray(0, length))
}

function parseLine(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, MAX_LINE_BYTES).indexOf('\r\n')
  if (end < 0)
    return bytes.length >= MAX_LINE_BYTES ? refused('the PROXY line is longer than 107 octets') : MORE
  const text = bytes.toString('latin1', 0, end)
  const length = end + 2
  if (/^PROXY UNKNOWN(?: |$)/.test(text)) return { kind: 'none', length }
  const [, family = '', source = '', destination = '', from = '', to = ''] = LINE.exec(text) ?? []
  const isAddress = family === '4' ? isIPv4 : isBareIPv6
  const arePorts = family !== '' && Number(from) <= 65_535 && Number(to) <= 65_535
  if (!arePorts || !isAddress(source) || !isAddress(destination))
    return refused('the PROXY line is malformed')
  return { kind: 'client', length, address: canonicalAddress(source), port: Number(from) }
}

function isBareIPv6(text: string): boolean {
  return isIPv6(text) && !text.includes('%')
}

/** Section 2.2. What is behind the addresses are TLVs, which say nothing we ask for. */
function parseBinary(bytes: Buffer): ProxyHeader {
  if (bytes.length < SIGNATURE.length + 4) return MORE
  const [command, family, blockLength] = [bytes.readUInt8(12), bytes.readUInt8(13), bytes.readUInt16BE(14)]
  if (command !== 0x20 && command !== 0x21)
    return refused('the version or command of the PROXY header is unknown')
  if (blockLength > MAX_BLOCK_BYTES)
    return refused(`the PROXY header is longer than ${MAX_BLOCK_BYTES} octets`)
  const length = SIGNATURE.length + 4 + blockLength
  if (bytes.length < length) return MORE
  if (command === 0x20 || family === UNSPECIFIED) return { kind: 'none', length }
  const addressBytes = BLOCKS.get(family)
  if (addressBytes === undefined) return refused('the PROXY header is not about TCP')
  if (blockLength < addressBytes) return refused('the addresses of the PROXY header are cut short')
  const block = bytes.subarray(SIGNATURE.length + 4, length)
  if (!areTlvs(block.subarray(addressBytes))) return refused('the PROXY header ends within a TLV')
  const isFour = family === 0x11
  const address = isFour ? block.subarray(0, 4).join('.') : ipv6Text(block.subarray(0, 16))
  return { kind: 'client', length, address, port: block.readUInt16BE(isFour ? 8 : 32) }
}

/** Whether these octets are whole TLVs: a type, a length of two octets, a value. */
function areTlvs(bytes: Buffer): boolean {
  let at = 0
  while (at + 3 <= bytes.length) at += 3 + bytes.readUInt16BE(at + 1)
  return at === bytes.length
}

function ipv6Text(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16))
  return canonicalAddress(groups.join(':'))
}

function refused(reason: string): ProxyHeader {
  return { kind: 'refused', reason }
}

function ignore(): void {}
