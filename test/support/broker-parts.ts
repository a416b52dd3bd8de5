/** What a test's broker is made of: values in memory, no name, no server and no message known. */
import { systemClock } from '../../core/observe/clock.ts'
import { silentLog } from '../../core/observe/log.ts'
import type { BrokerParts } from '../../sandbox/broker/broker.ts'
import { SessionNotes } from '../../sandbox/broker/notes.ts'
import { PluginCounters } from '../../sandbox/broker/plugin-counters.ts'
import { testDoor, testResolver, testTcpDoor } from '../../sandbox/test-network.ts'
import { stateInMemory } from './sandbox.ts'

/** @param more takes the place of what is usual */
export function brokerParts(more: Partial<BrokerParts> = {}): BrokerParts {
  return {
    state: stateInMemory(),
    tables: new Map(),
    contents: null,
    resolver: testResolver({}, {}),
    http: testDoor({}, []),
    tcp: testTcpDoor({}, []),
    sleep: async () => {},
    secrets: {},
    notes: new SessionNotes(),
    counters: new PluginCounters(),
    clock: systemClock,
    log: silentLog,
    random: () => 0.5,
    ...more,
  }
}
