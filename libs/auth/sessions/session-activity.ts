import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Database } from '#database';
import type { Authority } from '../authority.ts';
import { Sightings } from '../sightings.ts';

/** When sessions were used last. `lastSeenAt` lags as sightings do; the idle check in the database allows a minute. */
@Injectable()
export class SessionActivity implements OnModuleInit, OnModuleDestroy {
  /** By session id, epoch milliseconds. */
  readonly #seen: Sightings<number>;

  constructor(database: Database) {
    this.#seen = new Sightings((batch) =>
      database.acrossOrgs('own_sessions', (tx) =>
        tx.query(
          `UPDATE session_activity a SET last_seen_at = greatest(a.last_seen_at, to_timestamp(v.ms / 1000.0))
             FROM unnest($1::uuid[], $2::float8[]) AS v(id, ms) WHERE a.session_id = v.id`,
          [[...batch.keys()], [...batch.values()]],
        ),
      ),
    );
  }

  onModuleInit(): void {
    this.#seen.start();
  }

  onModuleDestroy(): Promise<void> {
    return this.#seen.stop();
  }

  touch(authority: Authority, now: number): void {
    if (authority.session) this.#seen.note(authority.session.id, now);
  }
}
