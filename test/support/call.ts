/** A call of a test's: `rcpt` put to these plugins, without a message. */
import { Call } from '../../sandbox/call.ts'

export function callOf(plugins: readonly number[]): Call {
  const question = {
    hook: 'rcpt',
    plugins,
    event: { rest: '{}', subject: '', subjectJson: '' },
    fieldsJson: '',
    message: null,
    session: 's_test',
    transaction: 1,
    secret: '',
    pluginMs: 1_000,
    chainMs: 2_500,
    isBarred: async () => null,
  } as const
  return new Call(1, question, 0, () => {})
}
