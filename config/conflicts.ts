/** What no single setting shows: names of groups, and settings that do not go together. */
import { resolve } from 'node:path'
import { domainToASCII } from 'node:url'
import { whyNotDomain } from '../core/mail/address.ts'
import { formatDestination, parseDestination, separatePassword } from '../core/mail/destination.ts'
import type { HostPort } from './config.ts'
import { endpointsClash, parseEndpoint } from './endpoint.ts'
import { isName } from './formats.ts'
import { type Finding, formatPath, quoted, type SettingPath } from './problem.ts'

/** Octets of a Unix socket's path on Linux and macOS, the smaller of the two. */
const MAX_SOCKET_PATH_BYTES = 103

type Group = Readonly<Record<string, unknown>>

/** Everything found; settings of the wrong type are passed over, the schema reports them. */
export function findConflicts(settings: unknown, folder: string): readonly Finding[] {
  if (!isGroup(settings)) return []
  return [
    ...domainFindings(settings['domains']),
    ...passwordFindings(settings),
    ...nameFindings(settings['lookups'], 'lookups', 'a lookup', 'allowed-recipients'),
    ...nameFindings(settings['secrets'], 'secrets', 'a secret', 'api-key'),
    ...listenerFindings(settings),
    ...submissionFindings(settings),
    ...clientCertificateFindings(settings),
    ...lmtpFindings(settings),
    ...pluginFindings(settings['plugins']),
    ...socketFindings(settings, folder),
  ]
}

function domainFindings(domains: unknown): Finding[] {
  const findings: Finding[] = []
  const seen = new Map<string, string>()
  for (const name of isGroup(domains) ? Object.keys(domains) : []) {
    const at = { path: ['domains', name], mark: 'name' } as const
    const earlier = seen.get(name.toLowerCase())
    const shown = quoted(name)
    if (!isDomainName(name)) {
      const message = `${shown} is not a domain name.`
      findings.push({ ...at, code: 'P1122', message, remedy: remedyForDomain(name) })
    } else if (earlier !== undefined) {
      const message = `Domain ${shown} is given twice, first as ${quoted(earlier)}.`
      findings.push({
        ...at,
        code: 'P1123',
        message,
        remedy: 'keep one of the two; capitals make no difference',
      })
    }
    seen.set(name.toLowerCase(), name)
  }
  return findings
}

function isDomainName(name: string): boolean {
  return whyNotDomain(name) === null && !name.startsWith('[') && !/^[0-9.]+$/.test(name)
}

function remedyForDomain(name: string): string {
  const ascii = domainToASCII(name.replace(/^\*\./, '').replace(/\.$/, ''))
  if (ascii !== '' && ascii !== name && isDomainName(ascii)) return `write ${ascii}`
  return 'write a domain such as example.test'
}

/** A destination is one text for all mail that goes there, so there is one password for it. */
function passwordFindings(settings: Group): Finding[] {
  const known = new Map<string, { path: SettingPath; password: string }>()
  return destinations(settings).flatMap(({ path, text }): Finding[] => {
    const separated = separatePassword(text)
    if (typeof separated === 'string' || separated.password === null) return []
    const parsed = parseDestination(separated.destination, '/')
    if (typeof parsed === 'string') return []
    const { password } = separated
    const route = formatDestination(parsed)
    const other = known.get(route)
    if (other === undefined) known.set(route, { path, password })
    if (other === undefined || other.password === password) return []
    const message = `Setting "${formatPath(path)}": "${formatPath(other.path)}" has another password for ${route}.`
    return [{ path, mark: 'value', code: 'P1109', message, remedy: 'give both the same password' }]
  })
}

function destinations({ domains, outbound }: Group): { path: SettingPath; text: string }[] {
  const ours = Object.entries(isGroup(domains) ? domains : {}).map(([name, domain]) => ({
    path: ['domains', name, 'deliver'],
    text: isGroup(domain) ? domain['deliver'] : undefined,
  }))
  const others = { path: ['outbound', 'route'], text: isGroup(outbound) ? outbound['route'] : undefined }
  return [...ours, others].flatMap(({ path, text }) => (typeof text === 'string' ? [{ path, text }] : []))
}

function nameFindings(group: unknown, setting: string, what: string, example: string): Finding[] {
  const names = isGroup(group) ? Object.keys(group) : []
  return names
    .filter((name) => !isName(name))
    .map((name) => ({
      path: [setting, name],
      mark: 'name',
      code: 'P1132',
      message: `${quoted(name)} is not a name for ${what}.`,
      remedy: `use small letters, digits and hyphens, such as ${example}`,
    }))
}

function listenerFindings(settings: Group): Finding[] {
  const findings: Finding[] = []
  const taken: { path: SettingPath; endpoint: HostPort }[] = []
  for (const { path, text } of addressesListenedOn(settings)) {
    const endpoint = parseEndpoint(text)
    if (typeof endpoint === 'string') continue
    const other = taken.find((one) => endpointsClash(one.endpoint, endpoint))
    if (other !== undefined) {
      const message = `Setting "${formatPath(path)}": the address is taken by "${formatPath(other.path)}".`
      findings.push({ path, mark: 'value', code: 'P1121', message, remedy: 'give each its own port' })
    }
    taken.push({ path, endpoint })
  }
  return findings
}

/** Passwords never go in the clear (RFC 8314 §3.3). */
function submissionFindings({ listeners }: Group): Finding[] {
  const all = Array.isArray(listeners) ? (listeners as unknown[]) : []
  return all.flatMap((listener, i): Finding[] => {
    if (!isGroup(listener) || listener['role'] !== 'submission' || listener['tls'] !== 'off') return []
    const message = `Setting "listeners[${i}].tls": a submission listener needs TLS, for people sign in there.`
    const remedy = 'write  tls: starttls  or  tls: implicit'
    return [{ path: ['listeners', i, 'tls'], mark: 'value', code: 'P1109', message, remedy }]
  })
}

/** Without TLS nobody can show a certificate. */
function clientCertificateFindings({ listeners }: Group): Finding[] {
  const all = Array.isArray(listeners) ? (listeners as unknown[]) : []
  return all.flatMap((listener, i): Finding[] => {
    if (!isGroup(listener) || listener['clientCertificates'] !== 'request' || listener['tls'] !== 'off')
      return []
    const message = `Setting "listeners[${i}].clientCertificates": there is no certificate without TLS.`
    const remedy = 'write  tls: starttls  or  tls: implicit'
    const path = ['listeners', i, 'clientCertificates']
    return [{ path, mark: 'value', code: 'P1109', message, remedy }]
  })
}

/** RFC 2033 §5: whoever connects to port 25 speaks SMTP. */
function lmtpFindings({ listeners }: Group): Finding[] {
  const all = Array.isArray(listeners) ? (listeners as unknown[]) : []
  return all.flatMap((listener, i): Finding[] => {
    if (!isGroup(listener) || listener['role'] !== 'lmtp' || typeof listener['address'] !== 'string')
      return []
    const endpoint = parseEndpoint(listener['address'])
    if (typeof endpoint === 'string' || endpoint.port !== 25) return []
    const message = `Setting "listeners[${i}].address": LMTP is not spoken on port 25.`
    const remedy = 'choose another port, such as 24'
    return [{ path: ['listeners', i, 'address'], mark: 'value', code: 'P1109', message, remedy }]
  })
}

function addressesListenedOn({ listeners, admin }: Group): { path: SettingPath; text: string }[] {
  const all = Array.isArray(listeners) ? (listeners as unknown[]) : []
  const addresses = all.map((one, i) => ({
    path: ['listeners', i, 'address'],
    text: isGroup(one) ? one['address'] : undefined,
  }))
  const http = { path: ['admin', 'http'], text: isGroup(admin) ? admin['http'] : undefined }
  // First, so that a listener in the way of the default is the one that is marked.
  return [http, ...addresses].flatMap(({ path, text }) => (typeof text === 'string' ? [{ path, text }] : []))
}

function pluginFindings(plugins: unknown): Finding[] {
  const all = Array.isArray(plugins) ? (plugins as unknown[]) : []
  return all.flatMap((plugin, i): Finding[] => {
    if (!isGroup(plugin)) return []
    const [hasName, hasPath] = [Object.hasOwn(plugin, 'name'), Object.hasOwn(plugin, 'path')]
    if (hasName !== hasPath) return []
    const message = hasName
      ? `Plugin ${i + 1} has both a "name" and a "path".`
      : `Plugin ${i + 1} has neither a "name" nor a "path".`
    const remedy = hasName
      ? 'keep "name" for a plugin that comes with the gateway, or "path" for a file of your own'
      : 'add  name: relay-control  or  path: ./plugins/my-filter.ts'
    return [
      {
        path: hasName ? ['plugins', i, 'path'] : ['plugins', i],
        mark: 'name',
        code: 'P1109',
        message,
        remedy,
      },
    ]
  })
}

function socketFindings({ admin, store }: Group, folder: string): Finding[] {
  const socket = isGroup(admin) ? admin['socket'] : undefined
  const directory = isGroup(store) ? store['directory'] : undefined
  if (socket !== undefined && typeof socket !== 'string') return []
  if (socket === undefined && typeof directory !== 'string') return []
  const path = socketPath(folder, String(directory), socket)
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return []
  const message = `The path of the control socket is longer than ${MAX_SOCKET_PATH_BYTES} bytes.`
  const remedy = 'set admin.socket to a shorter path'
  return [
    {
      path: socket === undefined ? ['store', 'directory'] : ['admin', 'socket'],
      mark: 'value',
      code: 'P1128',
      message,
      remedy,
    },
  ]
}

/** The control socket: where it was put, else in the folder of the store. */
export function socketPath(folder: string, directory: string, socket: string | undefined): string {
  return socket === undefined ? resolve(folder, directory, 'control.sock') : resolve(folder, socket)
}

function isGroup(value: unknown): value is Group {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}
