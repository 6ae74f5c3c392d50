import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Database } from '#database';
import { Clock } from '#kernel';
import { LaneRelay } from '#relay';
import { EventConfig } from './event.config.ts';
import { EventLane } from './event-lane.ts';
import {
  addLanes,
  type ClaimedEventLane,
  claimLanes,
  eventLeases,
  type EventLaneNews,
  readLaneNews,
} from './event-lane.store.ts';
import { NatsDestination } from './nats-destination.ts';

/** Publishes events to the deployment's destination, where it has one; see LaneRelay of #relay. */
@Injectable()
export class EventRelays implements OnModuleDestroy {
  readonly #relay: LaneRelay<ClaimedEventLane, EventLaneNews>;

  constructor(
    database: Database,
    clock: Clock,
    { timing }: EventConfig,
    private readonly destination: NatsDestination,
  ) {
    const name = NatsDestination.destination;
    this.#relay = new LaneRelay(database, clock, timing, {
      reason: 'event_relay',
      leases: eventLeases,
      add: (tx) => addLanes(tx, name),
      claim: (tx, owner, limits) => claimLanes(tx, name, owner, limits),
      look: readLaneNews,
      open: (claimed, parts, claimedAt) => new EventLane(claimed, destination, parts, claimedAt),
    });
  }

  start(onFailure: (error: unknown) => void): void {
    if (this.destination.isConfigured) this.#relay.start(onFailure);
  }

  async onModuleDestroy(): Promise<void> {
    await this.#relay.stop();
    await this.destination.close();
  }
}
