/** Adds messages without end, some of them with a spool file, and tells its parent of each that was acknowledged. */
import { createQueueIds } from '../../../core/queue/queue-id.ts'
import { createSpool } from '../../../core/queue/spool.ts'
import { newMessage } from '../../conformance/queue-store/fixture.ts'
import { openKeeper } from './store-under-test.ts'

const [, , directory = ''] = process.argv
const { queue } = await openKeeper(directory)
const spool = await createSpool(directory)
const newId = createQueueIds(Date.now)

async function addForEver(everySpooled: number): Promise<never> {
  for (let count = 1; ; count++) {
    const id = newId()
    const receiver = spool.receiver(id, count % everySpooled === 0 ? 0 : 1000)
    await receiver.write(Buffer.from(`body of ${id}`))
    const content = await receiver.finish()
    await queue.add(newMessage(0, { id, stored: { head: Buffer.alloc(0), content, contentOffset: 0 } }), null)
    process.send?.(id)
  }
}

await Promise.all(Array.from({ length: 20 }, (_, i) => addForEver(i + 5)))
