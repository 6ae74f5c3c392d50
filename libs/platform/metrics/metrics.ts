import { Injectable, Logger } from '@nestjs/common';
import { collectDefaultMetrics, type Metric, Registry } from 'prom-client';
import { type Caller, Fault } from '#kernel';
import { type Family, gauges } from './family.ts';
import { type MetricPart, MetricParts } from './metric-parts.ts';

/**
 * The metrics of this process, and what the database says of the deployment. Nothing is kept but what the rooms count;
 * a part that cannot be read is left out and named, and the others are answered.
 */
@Injectable()
export class Metrics {
  readonly #logger = new Logger('metrics');
  readonly #process = new Registry();

  constructor(private readonly parts: MetricParts) {
    // The library looks at the event loop every 10 ms where unsaid, which keeps an idle process awake.
    collectDefaultMetrics({ register: this.#process, eventLoopMonitoringPrecision: 50 });
  }

  /**
   * In the text format of Prometheus, version 0.0.4. Fault: `database.credential_ended`, where the database does not let
   * `caller` read the deployment.
   */
  async text(caller: Caller): Promise<string> {
    const parts = await Promise.all(
      this.parts.all.map(async (part) => ({ name: part.name, families: await this.#read(part, caller) })),
    );
    const errors = gauges(
      'scrape_error',
      '1 where this part could not be read: its metrics are missing.',
      parts,
      ({ name, families }) => [{ part: name }, families === undefined ? 1 : 0],
    );
    const scraped = new Registry();
    for (const family of [...parts.flatMap(({ families }) => families ?? []), errors]) {
      // The registry asks a metric for its name and its numbers; ours are counted elsewhere.
      scraped.registerMetric({ name: family.name, get: async () => family } as unknown as Metric);
    }
    return `${await this.#process.metrics()}\n${await scraped.metrics()}`;
  }

  /** Undefined where it cannot be read. */
  async #read({ name, read }: MetricPart, caller: Caller): Promise<Family[] | undefined> {
    try {
      return await read(caller);
    } catch (error) {
      if (error instanceof Fault && error.kind === 'unauthenticated') throw error;
      this.#logger.warn(error, name);
      return undefined;
    }
  }
}
