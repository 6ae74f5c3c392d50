import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Database } from '#database';
import { Clock } from '#kernel';
import { LaneRelay } from '#relay';
import { Receivers } from './receivers.ts';
import { SinkConfig } from './sink.config.ts';
import { SinkLane } from './sink-lane.ts';
import {
  addLanes,
  type ClaimedSinkLane,
  claimLanes,
  readLaneNews,
  sinkLeases,
  type SinkLaneNews,
} from './sink-lane.store.ts';

/** Delivers logs to sinks; see LaneRelay of #relay. */
@Injectable()
export class SinkRelays implements OnModuleDestroy {
  readonly #relay: LaneRelay<ClaimedSinkLane, SinkLaneNews>;

  constructor(database: Database, clock: Clock, { timing }: SinkConfig, receivers: Receivers) {
    this.#relay = new LaneRelay(database, clock, timing, {
      reason: 'audit_sinks',
      leases: sinkLeases,
      add: addLanes,
      claim: claimLanes,
      look: readLaneNews,
      open: (claimed, parts, claimedAt) => new SinkLane(claimed, receivers, parts, claimedAt),
    });
  }

  start(onFailure: (error: unknown) => void): void {
    this.#relay.start(onFailure);
  }

  /** A sink was made, changed or asked to deliver again. */
  hurry(): void {
    this.#relay.hurry();
  }

  onModuleDestroy(): Promise<void> {
    return this.#relay.stop();
  }
}
