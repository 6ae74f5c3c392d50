import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Audit, bySystem } from '#audit';
import { Database } from '#database';
import { type RenewedDigest, renewDigests } from './api-key.store.ts';
import { ApiKeySecrets } from './api-key-secrets.ts';

const FLUSH_MS = 10_000;
/** In one transaction; those beyond wait for the next round. */
const BATCH = 100;

/**
 * Moves keys to the newest pepper when they are used: only then is the key itself at hand. Written in batches, one
 * record for each key, which happens once per key and pepper. A key that was rotated or revoked meanwhile stays as
 * it is.
 */
@Injectable()
export class KeyRehash implements OnModuleInit, OnModuleDestroy {
  readonly #waiting = new Map<string, RenewedDigest>();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly secrets: ApiKeySecrets,
  ) {}

  onModuleInit(): void {
    this.#timer = setInterval(() => void this.flush(), FLUSH_MS);
    this.#timer.unref();
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }

  /** A key was accepted by the digest it has under this pepper. */
  used(id: string, key: string, digest: string, pepperId: string): void {
    if (this.#waiting.has(id)) return;
    const renewed = this.secrets.renewed(key, pepperId);
    if (renewed) this.#waiting.set(id, { id, before: digest, ...renewed });
  }

  /** Never rejects. What cannot be written now is found again when its key is used again. */
  async flush(): Promise<void> {
    const batch = [...this.#waiting.values()].slice(0, BATCH).sort((a, b) => (a.id < b.id ? -1 : 1));
    if (batch.length === 0) return;
    for (const { id } of batch) this.#waiting.delete(id);
    try {
      await this.database.acrossOrgs('api_keys', async (tx) => {
        for (const { id, org_id } of await renewDigests(tx, batch)) {
          await this.audit.record(tx, {
            ...bySystem('key_rehash'),
            orgId: org_id,
            action: 'api_key.rehashed',
            target: { type: 'api_key', id },
            outcome: 'success',
          });
        }
      });
    } catch {
      // The pepper may have been retired: ask which is the newest.
      this.secrets.lapsed();
    }
  }
}
