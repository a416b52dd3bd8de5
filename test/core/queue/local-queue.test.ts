import { queueStoreConformance } from '../../conformance/queue-store.ts'
import { openLocalStore } from './store-under-test.ts'

queueStoreConformance('local, through a keeper thread', openLocalStore)
