import { Injectable } from '@nestjs/common';
import { Clock, Fault } from '#kernel';
import { type Secret, SecretReferences } from '#secrets';
import type { HookRow } from '../hooks/hook.store.ts';

/** As long as the digest: a shorter key is guessed before it (RFC 2104, section 3). */
const SHORTEST = 32;
/**
 * How long a secret is known without asking for it again. Each resolving is on record, and whoever floods a hook would
 * fill the log by it. What is taken out of the hook itself is refused at once.
 */
const KNOWN_MS = 10_000;
const MOST_KNOWN = 1_000;

interface Known {
  readonly secret: Secret | undefined;
  readonly until: number;
}

/** The secrets that sign deliveries to a hook. */
@Injectable()
export class HookSecrets {
  readonly #known = new Map<string, Promise<Known>>();

  constructor(
    private readonly references: SecretReferences,
    private readonly clock: Clock,
  ) {}

  /** Those that are there and long enough. Rejects where the store cannot be asked. */
  async of(hook: Pick<HookRow, 'id' | 'org_id' | 'secret_refs'>): Promise<string[]> {
    const found = await Promise.all(hook.secret_refs.map((reference) => this.#one(hook, reference)));
    return found
      .filter((secret) => secret !== undefined)
      .map((secret) => secret.reveal())
      .filter((value) => Buffer.byteLength(value) >= SHORTEST);
  }

  async #one(hook: Pick<HookRow, 'id' | 'org_id'>, reference: string): Promise<Secret | undefined> {
    const key = `${hook.id} ${reference}`;
    const now = this.clock.monotonic();
    const known = await this.#known.get(key)?.catch(() => undefined);
    if (known && known.until > now) return known.secret;
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    const asked = this.#ask(hook, reference).then((secret) => ({ secret, until: now + KNOWN_MS }));
    this.#known.set(key, asked);
    asked.catch(() => this.#known.delete(key));
    return (await asked).secret;
  }

  /** Undefined where there is no such secret; an outage is a fault. */
  async #ask({ id, org_id }: Pick<HookRow, 'id' | 'org_id'>, reference: string): Promise<Secret | undefined> {
    try {
      return await this.references.resolve(org_id, reference, `webhook:${id}`);
    } catch (error) {
      if (error instanceof Fault && error.kind !== 'unavailable' && error.kind !== 'internal')
        return undefined;
      throw error;
    }
  }
}
