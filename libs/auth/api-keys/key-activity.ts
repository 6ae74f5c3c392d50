import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Database } from '#database';
import { type KeyUse, writeKeyUses } from './api-key.store.ts';

/** How far `lastUsedAt` may lag behind. */
const FLUSH_MS = 10_000;

/** Remembers when and from where keys were used and writes it in batches: a request costs no write. */
@Injectable()
export class KeyActivity implements OnModuleInit, OnModuleDestroy {
  #used = new Map<string, KeyUse>();
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

  touch(id: string, at: number, ip: string | undefined): void {
    this.#used.set(id, { id, at, ip });
  }

  /** Writes what was seen. On failure it is kept for the next time; later uses win. */
  async flush(): Promise<void> {
    if (this.#used.size === 0) return;
    const batch = this.#used;
    this.#used = new Map();
    try {
      await this.database.acrossOrgs('api_keys', (tx) => writeKeyUses(tx, [...batch.values()]));
    } catch {
      this.#used = new Map([...batch, ...this.#used]);
    }
  }
}
