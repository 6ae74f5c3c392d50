import { writeFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  type DatabaseUrls,
  type EmbeddedServer,
  migrate,
  prepareDatabase,
  readKeyCheck,
  startEmbeddedServer,
} from '#database';
import type { Values } from '#kernel';
import { migrations } from '../../migrations/index.ts';
import type { settings } from './settings.ts';

export interface OpenDatabase {
  readonly urls: DatabaseUrls;
  readonly server: EmbeddedServer | undefined;
}

/**
 * The external database, or the embedded one; prepared and migrated. `fits` is asked before it is migrated, with the
 * check value of the master key that it is of, and rejects where this process has not that one.
 */
export async function openDatabase(
  config: Values<typeof settings>,
  log: (line: string) => void,
  fits: (checkValue: string | undefined, urls: DatabaseUrls) => Promise<void> = async () => undefined,
): Promise<OpenDatabase> {
  const server =
    config.databaseUrl === undefined
      ? await startEmbeddedServer({ dataDir: config.dataDir, log })
      : undefined;
  try {
    const adminUrl = config.databaseUrl ?? server?.adminUrl ?? '';
    if (server) offerUrl(config.dataDir, adminUrl);
    const urls = await prepareDatabase(adminUrl, givenUrls(config));
    await fits(await readKeyCheck(urls.owner), urls);
    const { applied } = await migrate(urls.owner, migrations);
    if (applied.length > 0) log(`applied ${applied.length} migrations`);
    return { urls, server };
  } catch (error) {
    await server?.stop();
    throw error;
  }
}

function givenUrls(config: Values<typeof settings>): Partial<DatabaseUrls> {
  return {
    ...(config.databaseOwnerUrl && { owner: config.databaseOwnerUrl }),
    ...(config.databaseAppUrl && { app: config.databaseAppUrl }),
    ...(config.databaseSystemUrl && { system: config.databaseSystemUrl }),
  };
}

/** For further replicas on this machine (DATABASE_URL), and for an operator's psql. */
function offerUrl(dataDir: string, url: string): void {
  const file = join(dataDir, 'database-url');
  rmSync(file, { force: true });
  writeFileSync(file, `${url}\n`, { mode: 0o600 });
}
