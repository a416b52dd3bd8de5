/** What stands for something secret when a setting is shown. */

export const MASK = '‹secret›'

/** The password in `smtp://USER:PASSWORD@HOST`, up to the last `@` before a space. */
const PASSWORD = /(\bsmtps?:\/\/[^\s:@]*(?:@[^\s:@]*)*:)\S*@/gi

/** A text with the passwords of its destinations masked. */
export function maskPasswords(text: string): string {
  return text.replace(PASSWORD, `$1${MASK}@`)
}
