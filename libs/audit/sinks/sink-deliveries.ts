import { Injectable } from '@nestjs/common';
import { Database } from '#database';
import type { Caller } from '#kernel';
import { deliveryOf } from './delivery-state.ts';
import type { DeliveryView } from './sink.contract.ts';
import { readEnabledSinks, readLanesOf } from './sink.store.ts';

export interface SinkDelivery {
  readonly id: string;
  readonly orgId: string;
  readonly delivery: DeliveryView;
}

/** Of all organizations; an organization has at most twenty sinks. */
const MOST_SINKS = 1_000;
/** Logs on their way to those: a sink of the platform may take every organization's. */
const MOST_LANES = 20_000;

/** How far every sink is that is not switched off, of whatever organization: for operators of the deployment. */
@Injectable()
export class SinkDeliveries {
  constructor(private readonly database: Database) {}

  async read(caller: Caller): Promise<SinkDelivery[]> {
    return this.database.acrossOrgsFor('metrics', caller, async (tx) => {
      const sinks = await readEnabledSinks(tx, MOST_SINKS);
      const ids = sinks.map(({ id }) => id);
      const lanes = Map.groupBy(await readLanesOf(tx, ids, MOST_LANES), ({ sink_id }) => sink_id);
      return sinks.map((sink) => ({
        id: sink.id,
        orgId: sink.org_id,
        delivery: deliveryOf(sink, lanes.get(sink.id) ?? []),
      }));
    });
  }
}
