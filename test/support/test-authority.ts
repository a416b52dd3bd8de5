/** An authority of a test's own, made with openssl, and the certificates it signs. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const DAYS = 90
const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

export interface SignedFiles {
  readonly certificate: string
  readonly key: string
}

export class TestAuthority {
  readonly #folder: string
  readonly #key: string
  /** Its own certificate, a PEM file. */
  readonly file: string

  /** @param folder that exists; everything is written there */
  constructor(folder: string) {
    this.#folder = folder
    this.file = join(folder, 'authority.pem')
    this.#key = join(folder, 'authority-key.pem')
    const extensions = ['basicConstraints=critical,CA:true', 'keyUsage=critical,keyCertSign,cRLSign']
    const made = ['-keyout', this.#key, '-out', this.file, '-days', '300', '-sha256']
    const name = ['-subj', '/O=Test/CN=Test Authority']
    openssl(
      'req',
      '-x509',
      ...CURVE,
      ...made,
      ...name,
      ...extensions.flatMap((extension) => ['-addext', extension]),
    )
  }

  /** Signs a certificate for a host: alternative name, key usage, and the address of a list of revoked ones in it. */
  sign(host: string, usage: 'serverAuth' | 'clientAuth' = 'serverAuth'): SignedFiles {
    const [request, certificate, key, extensions] = ['csr', 'pem', 'key', 'ext'].map((kind) =>
      join(this.#folder, `${host}.${kind}`),
    ) as [string, string, string, string]
    const lines = [
      'basicConstraints=critical,CA:false',
      'keyUsage=critical,digitalSignature',
      `extendedKeyUsage=${usage}`,
      `subjectAltName=DNS:${host}`,
      'crlDistributionPoints=URI:http://authority.example.test/revoked.crl',
      'authorityKeyIdentifier=keyid',
      'subjectKeyIdentifier=hash',
    ]
    writeFileSync(extensions, `${lines.join('\n')}\n`)
    openssl('req', ...CURVE, '-keyout', key, '-out', request, '-subj', `/CN=${host}`)
    const authority = ['-CA', this.file, '-CAkey', this.#key, '-CAcreateserial']
    const made = ['-out', certificate, '-days', String(DAYS), '-sha256', '-extfile', extensions]
    openssl('x509', '-req', '-in', request, ...authority, ...made)
    writeFileSync(certificate, readFileSync(certificate, 'utf8') + readFileSync(this.file, 'utf8'))
    return { certificate, key }
  }
}

/** @throws with what openssl said */
function openssl(...args: readonly string[]): void {
  execFileSync('openssl', [...args], { stdio: ['ignore', 'ignore', 'pipe'] })
}
