import { Audit, bySystem, OutcomeCounts } from '#audit';
import { Database, type DatabaseOptions } from '#database';
import { Events } from '#events';
import type { Clock } from '#kernel';
import { findPlatformId } from '../platform.store.ts';

/**
 * Records in the platform's log that a wrapped secret-id was stolen. By a connection of its own, for it may be before
 * anything of the product is up. Without a platform, before the set-up, there is no log yet.
 */
export async function recordTheft(
  urls: DatabaseOptions['urls'],
  clock: Clock,
  detail: string,
): Promise<void> {
  const database = new Database({ urls, poolSize: 1 }, { settled: () => Promise.resolve() });
  await database.connect();
  try {
    await database.acrossOrgs('secret_store', async (tx) => {
      const orgId = await findPlatformId(tx);
      if (orgId === undefined) return;
      await new Audit(clock, new Events(clock), new OutcomeCounts()).record(tx, {
        ...bySystem('secrets', 'log_in_to_the_secret_store'),
        orgId,
        action: 'secret_store.theft_suspected',
        target: { type: 'deployment', id: orgId },
        outcome: 'failure',
        reason: 'wrapped_secret_id',
        changes: { detail },
      });
    });
  } finally {
    await database.onApplicationShutdown();
  }
}
