import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Database } from '#database';
import { Sightings } from '../sightings.ts';
import { type KeyUse, writeKeyUses } from './api-key.store.ts';

/** When and from where keys were used last. `lastUsedAt` lags behind as sightings do. */
@Injectable()
export class KeyActivity implements OnModuleInit, OnModuleDestroy {
  readonly #used: Sightings<KeyUse>;

  constructor(database: Database) {
    this.#used = new Sightings((batch) =>
      database.acrossOrgs('api_keys', (tx) => writeKeyUses(tx, [...batch.values()])),
    );
  }

  onModuleInit(): void {
    this.#used.start();
  }

  onModuleDestroy(): Promise<void> {
    return this.#used.stop();
  }

  touch(id: string, at: number, ip: string | undefined): void {
    this.#used.note(id, { id, at, ip });
  }

  flush(): Promise<void> {
    return this.#used.flush();
  }
}
