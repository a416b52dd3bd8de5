/** How a session with a next server is protected, and as whom we sign in. */
import type { SecureContext } from 'node:tls'

export interface Login {
  readonly user: string
  readonly password: string
}

export type Protection =
  | { readonly kind: 'none' }
  /** TLS when the server offers it, whoever it is (RFC 3207, RFC 7435). */
  | { readonly kind: 'opportunistic' }
  /** TLS, or no session: with a server whose certificate is for its name and comes from an authority of `trust`. */
  | {
      readonly kind: 'verified'
      /** From the first octet on (RFC 8314 §3.3); else by STARTTLS. */
      readonly isImplicit: boolean
      readonly trust: SecureContext
      readonly login: Login | null
    }

export const UNPROTECTED: Protection = Object.freeze({ kind: 'none' })
export const OPPORTUNISTIC: Protection = Object.freeze({ kind: 'opportunistic' })
