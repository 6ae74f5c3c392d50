import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Database, InvalidationStream, ProvenCache } from '#database';
import { isId } from '#kernel';
import { readActive } from './capability.store.ts';

interface Active {
  readonly version: string;
  readonly subjects: readonly string[];
}

/**
 * Whether a capability is active, for what is bound to it to ask before it acts. What is cached is proven fresh by
 * the invalidation lease, so when a quarantine answers no process says yes any more. Whatever is not known to be
 * active is not.
 */
@Injectable()
export class Capabilities implements OnModuleInit {
  readonly #cache: ProvenCache<Active>;

  constructor(
    private readonly database: Database,
    private readonly stream: InvalidationStream,
  ) {
    this.#cache = new ProvenCache(stream);
  }

  onModuleInit(): void {
    this.stream.listen(this.#cache);
  }

  async isActive(orgId: string, capability: string): Promise<boolean> {
    if (!isId(orgId)) return false;
    const key = `${orgId}|${capability}`;
    if (this.#cache.get(key)) return true;
    try {
      const active = await this.#cache.load(key, () => this.#read(orgId, capability));
      return active !== undefined;
    } catch {
      // Not known is not active.
      return false;
    }
  }

  async #read(orgId: string, capability: string): Promise<Active | undefined> {
    const active = await readActive(this.database.alone('capability_state'), orgId, capability);
    return active && { version: active.version, subjects: [`capability:${active.id}`, `org:${orgId}`] };
  }
}
