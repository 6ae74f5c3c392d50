import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Database } from '#database';
import type { Authority } from '../authority.ts';

/** How far `lastSeenAt` may lag behind. The idle check in the database allows a minute more. */
const FLUSH_MS = 10_000;

/** Remembers when sessions were used and writes it in batches: a request costs no write. */
@Injectable()
export class SessionActivity implements OnModuleInit, OnModuleDestroy {
  /** Session id to epoch milliseconds. */
  #seen = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly database: Database) {}

  onModuleInit(): void {
    this.#timer = setInterval(() => void this.flush(), FLUSH_MS);
    this.#timer.unref();
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }

  touch(authority: Authority, now: number): void {
    if (authority.session) this.#seen.set(authority.session.id, now);
  }

  /** Writes what was seen. On failure it is kept for the next time; later sightings win. */
  async flush(): Promise<void> {
    if (this.#seen.size === 0) return;
    const batch = this.#seen;
    this.#seen = new Map();
    try {
      await this.database.acrossOrgs('own_sessions', (tx) =>
        tx.query(
          `UPDATE session_activity a SET last_seen_at = greatest(a.last_seen_at, to_timestamp(v.ms / 1000.0))
             FROM unnest($1::uuid[], $2::float8[]) AS v(id, ms) WHERE a.session_id = v.id`,
          [[...batch.keys()], [...batch.values()]],
        ),
      );
    } catch {
      this.#seen = new Map([...batch, ...this.#seen]);
    }
  }
}
