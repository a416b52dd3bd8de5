/** A worker that leases messages and then does nothing more. */
import { connectKeeper } from '../../../core/queue/keeper-socket.ts'
import { MINUTE, NOW, newMessage } from '../../conformance/queue-store/fixture.ts'

const [, , socketPath = '', owner = '', count = ''] = process.argv
const onDeath = (): never => process.exit(1)
const { queue } = await connectKeeper({ socketPath, owner, onDeath, onWork: () => {} })
const lease = { owner, until: NOW + MINUTE }
for (let number = 0; number < Number(count); number++) await queue.add(newMessage(number), lease)
process.send?.('leased')
