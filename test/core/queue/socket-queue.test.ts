import { queueStoreConformance } from '../../conformance/queue-store.ts'
import { openSocketStore } from './keeper-process-under-test.ts'

queueStoreConformance('local, through a keeper process', openSocketStore)
