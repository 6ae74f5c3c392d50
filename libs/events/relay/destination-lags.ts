import { Injectable } from '@nestjs/common';
import { Database } from '#database';
import type { Caller } from '#kernel';
import { readLags } from './publication.store.ts';

/** What is still to go to a destination, of all organizations together. */
export interface DestinationLag {
  readonly destination: string;
  /** Events. */
  readonly lag: number;
  readonly deadLetters: number;
}

/** How far each destination of events is behind: for operators of the deployment. */
@Injectable()
export class DestinationLags {
  constructor(private readonly database: Database) {}

  async read(caller: Caller): Promise<DestinationLag[]> {
    const rows = await this.database.acrossOrgsFor('metrics', caller, readLags);
    return rows.map(({ destination, lag, dead }) => ({
      destination,
      lag: Number(lag),
      deadLetters: Number(dead),
    }));
  }
}
