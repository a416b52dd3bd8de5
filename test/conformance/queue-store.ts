/** What every queue store must do, whatever it is built on. */
import { suite } from 'node:test'
import { claimingConformance } from './queue-store/claiming.ts'
import {
  fencingConformance,
  poisonConformance,
  reprieveConformance,
  settingAsideConformance,
} from './queue-store/fencing.ts'
import type { OpenStore } from './queue-store/fixture.ts'
import { operatingConformance } from './queue-store/operating.ts'
import { settlingConformance } from './queue-store/settling.ts'
import { storingConformance } from './queue-store/storing.ts'
import { givingUpConformance, suspendingConformance } from './queue-store/suspending.ts'

export function queueStoreConformance(name: string, open: OpenStore): void {
  suite(`queue store: ${name}`, () => {
    storingConformance(open)
    claimingConformance(open)
    settlingConformance(open)
    fencingConformance(open)
    poisonConformance(open)
    reprieveConformance(open)
    settingAsideConformance(open)
    operatingConformance(open)
    givingUpConformance(open)
    suspendingConformance(open)
  })
}
