/** Metrics in Prometheus' text form. Values are read when they are asked for, so nothing on the mail path pays for them. */
import { AggregatorRegistry, Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'

/** One measured value with its labels. */
export interface Sample {
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
}

export interface MetricDefinition {
  readonly name: string
  readonly help: string
  readonly labels?: readonly string[]
  /** Every process of the gateway would give the same value: of several it is told once. */
  readonly isShared?: boolean
  readonly read: () => readonly Sample[] | Promise<readonly Sample[]>
}

export class Metrics {
  readonly #registry = new Registry()

  constructor() {
    collectDefaultMetrics({ register: this.#registry, prefix: 'postern_' })
  }

  /** A value that may go up and down. */
  gauge({ name, help, labels = [], isShared = false, read }: MetricDefinition): void {
    const gauge = new Gauge({
      name,
      help,
      labelNames: [...labels],
      registers: [this.#registry],
      aggregator: isShared ? 'first' : 'sum',
      collect: async () => {
        gauge.reset()
        for (const sample of await read()) gauge.set(sample.labels ?? {}, sample.value)
      },
    })
  }

  /** A value that only grows while the process lives; `read` gives the total. */
  counter({ name, help, labels = [], read }: MetricDefinition): void {
    const counter = new Counter({
      name,
      help,
      labelNames: [...labels],
      registers: [this.#registry],
      collect: async () => {
        counter.reset()
        for (const sample of await read()) counter.inc(sample.labels ?? {}, sample.value)
      },
    })
  }

  /** Plain data, for `metricsText` in another process. */
  values(): Promise<unknown> {
    return this.#registry.getMetricsAsJSON()
  }
}

/** Prometheus text of the values of several processes, added up. */
export async function metricsText(values: readonly unknown[]): Promise<string> {
  // The package wants what getMetricsAsJSON gives, one list a process.
  const lists = values as Parameters<typeof AggregatorRegistry.aggregate>[0]
  return await AggregatorRegistry.aggregate(lists).metrics()
}
