/**
 * Names and passwords in one form, whatever keyboard they were typed on (SASLprep, RFC 4013).
 *
 * A part of it: other spaces become the space, what is invisible goes, NFKC, and control, private-use, surrogate and
 * text-direction characters are refused. Left out are the checks of code points that Unicode 3.2 did not know, which
 * refuse nothing but newer letters, and of mixed text direction. Case is kept: `Bob` and `bob` are two names.
 */

/** Longest name and password, in octets of UTF-8 once prepared. */
export const MAX_NAME_OCTETS = 255
export const MAX_PASSWORD_OCTETS = 1024

export type Prepared =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly reason: string }

/** RFC 3454 B.1. */
const MAPPED_TO_NOTHING =
  /\u00ad|\u034f|\u1806|[\u180b-\u180d]|[\u200b-\u200d]|\u2060|[\ufe00-\ufe0f]|\ufeff/g
/** RFC 3454 C.2 to C.9. */
const PROHIBITED =
  /[\p{Cc}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}\u0340\u0341\u06dd\u070f\u180e\u200e\u200f\u202a-\u202e\u2061-\u2063\u206a-\u206f\u2ff0-\u2ffb\ufff9-\ufffd\u{1d173}-\u{1d17a}\u{e0001}\u{e0020}-\u{e007f}]/u

/** A user's name. Narrower than SASL: it has a line of the users file, where a colon, `#` and spaces mean something. */
export function prepareName(text: string): Prepared {
  const prepared = prepare(text, MAX_NAME_OCTETS, 'name')
  if (!prepared.ok) return prepared
  if (/[ :]/.test(prepared.text)) return refused('a name has no space and no colon')
  return prepared.text.startsWith('#') ? refused('a name does not begin with #') : prepared
}

export function preparePassword(text: string): Prepared {
  return prepare(text, MAX_PASSWORD_OCTETS, 'password')
}

function prepare(text: string, maxOctets: number, what: string): Prepared {
  // Before the rest, so that nobody has ten megabytes normalized; NFKC hardly ever makes text shorter by a third.
  if (text.length > 3 * maxOctets) return refused(`the ${what} is longer than ${maxOctets} octets`)
  const normal = text
    .replace(/\p{Zs}/gu, ' ')
    .replace(MAPPED_TO_NOTHING, '')
    .normalize('NFKC')
  if (normal === '') return refused(`the ${what} is empty`)
  if (PROHIBITED.test(normal)) return refused(`the ${what} has a character that cannot be typed`)
  return Buffer.byteLength(normal) > maxOctets
    ? refused(`the ${what} is longer than ${maxOctets} octets`)
    : { ok: true, text: normal }
}

function refused(reason: string): Prepared {
  return { ok: false, reason }
}
