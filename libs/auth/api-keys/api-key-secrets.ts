import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Database, type InvalidationListener, InvalidationStream } from '#database';
import { sameSecret } from '#kernel';
import { MasterKey } from '#secrets';
import { keyDigest, makeApiKey } from './api-key-secret.ts';
import { DERIVED_PEPPER, type PepperRow, readPeppers } from './pepper.store.ts';

/** What is stored of a key's secrets, and under which peppers. */
export interface StoredDigests {
  readonly digest: string;
  readonly pepperId: string;
  readonly previousDigest?: string | undefined;
  readonly previousPepperId?: string | undefined;
}

interface Pepper {
  readonly id: string;
  readonly secret: Buffer;
}

/** Makes the secrets of API keys and compares them with what is stored, under peppers that rotate. */
@Injectable()
export class ApiKeySecrets implements InvalidationListener, OnModuleInit {
  #peppers = new Map<string, Pepper>();
  /** The newest, as far as is known; undefined where there is news of peppers. */
  #current: Pepper | undefined;
  #loading = false;

  constructor(
    private readonly database: Database,
    private readonly masterKey: MasterKey,
    private readonly stream: InvalidationStream,
  ) {}

  onModuleInit(): void {
    this.stream.listen(this);
  }

  dropped(subjects: readonly string[]): void {
    if (subjects.includes('key_peppers')) this.lapsed();
  }

  lapsed(): void {
    this.#current = undefined;
  }

  /** A new key for an id, and what is stored of it: its digest under the newest pepper. */
  async make(id: string): Promise<{ key: string; digest: string; pepperId: string }> {
    const pepper = await this.#load();
    const key = makeApiKey(id);
    return { key, digest: keyDigest(key, pepper.secret), pepperId: pepper.id };
  }

  /** The stored digest that the key matches, or undefined. */
  async match(key: string, stored: StoredDigests): Promise<string | undefined> {
    if (await this.#matches(key, stored.digest, stored.pepperId)) return stored.digest;
    const { previousDigest, previousPepperId } = stored;
    if (previousDigest === undefined || previousPepperId === undefined) return undefined;
    return (await this.#matches(key, previousDigest, previousPepperId)) ? previousDigest : undefined;
  }

  /**
   * The digest of a key under the newest pepper where it is not under that already. Without waiting: where the
   * newest is not known at this moment, a later use of the key will tell.
   */
  renewed(key: string, pepperId: string): { digest: string; pepperId: string } | undefined {
    const current = this.#current;
    if (!current) {
      if (!this.#loading) void this.#load().catch(() => undefined);
      return undefined;
    }
    return pepperId === current.id
      ? undefined
      : { digest: keyDigest(key, current.secret), pepperId: current.id };
  }

  async #matches(key: string, digest: string, pepperId: string): Promise<boolean> {
    if (!this.#peppers.has(pepperId)) await this.#load();
    const pepper = this.#peppers.get(pepperId);
    return pepper !== undefined && sameSecret(keyDigest(key, pepper.secret), digest);
  }

  /** Reads the peppers. Answers the newest. */
  async #load(): Promise<Pepper> {
    this.#loading = true;
    try {
      const rows = await this.database.acrossOrgs('api_keys', readPeppers);
      const peppers = rows.map((row): Pepper => ({ id: row.id, secret: this.#open(row) }));
      const newest = peppers.at(-1);
      if (!newest) throw new Error('there is no pepper for API keys');
      this.#peppers = new Map(peppers.map((pepper) => [pepper.id, pepper]));
      this.#current = newest;
      return newest;
    } finally {
      this.#loading = false;
    }
  }

  #open({ id, wrapped_pepper }: PepperRow): Buffer {
    // Derived until the master key rotates, which stores it.
    if (id === DERIVED_PEPPER && wrapped_pepper === null) return this.masterKey.derive('api-keys');
    return this.masterKey.unwrap(wrapped_pepper ?? '', `key_pepper:${id}`);
  }
}
