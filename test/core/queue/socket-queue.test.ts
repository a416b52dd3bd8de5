import { queueStoreConformance } from '../../conformance/queue-store.ts'
import { openSocketStore } from './store-under-test.ts'

queueStoreConformance('local, through a keeper behind a socket', openSocketStore)
