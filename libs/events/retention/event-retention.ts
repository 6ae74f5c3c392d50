import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Database } from '#database';
import { EventConfig } from '../relay/event.config.ts';
import { NatsDestination } from '../relay/nats-destination.ts';
import { dropOutdated, readOutdated } from './event-retention.store.ts';

const EVERY_MS = 60_000;
const LOGS_A_ROUND = 100;
const EVENTS_AT_ONCE = 1_000;

/**
 * Drops events that are older than they are kept, with the evidence of their publications; the records they follow
 * from stay in the audit log. Never what a configured destination has not got yet. Any number of processes may run it.
 */
@Injectable()
export class EventRetention implements OnModuleDestroy {
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly database: Database,
    private readonly config: EventConfig,
  ) {}

  start(onFailure: (error: unknown) => void): void {
    this.#timer = setInterval(() => void this.sweep().catch(onFailure), EVERY_MS);
    this.#timer.unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.#timer);
  }

  /** One round; how many events went. */
  async sweep(): Promise<number> {
    const days = this.config.keepDays;
    const destinations = this.config.nats ? [NatsDestination.destination] : [];
    const logs = await this.database.acrossOrgs('housekeeping', (tx) =>
      readOutdated(tx, { days, destinations, limit: LOGS_A_ROUND }),
    );
    let gone = 0;
    for (const { org_id: orgId } of logs) {
      gone += await this.database.acrossOrgs('housekeeping', (tx) =>
        dropOutdated(tx, orgId, { days, destinations, most: EVENTS_AT_ONCE }),
      );
    }
    return gone;
  }
}
