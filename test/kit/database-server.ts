import { hash } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { migrate, lockHolder, prepareDatabase, startEmbeddedServer, type EmbeddedServer } from '#database';
import { migrations } from '../../migrations/index.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The server of this run, and the migrated database on it that clones are made of. */
    databaseServer: { adminUrl: string; template: string };
    /** A directory of this run for whatever a spec leaves on disk; the database's user can pass through. */
    runDirectory: string;
  }
}

const PREFIX = 'portcullis-test-';

/** One server for the whole run, with a migrated template database that each spec file clones. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await sweep();
  const directory = mkdtempSync(join(tmpdir(), PREFIX));
  chmodSync(directory, 0o711);
  let server: EmbeddedServer | undefined;
  const teardown = async () => {
    await server?.stop();
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    server = await startEmbeddedServer({
      dataDir: directory,
      log: () => undefined,
      // The data lives as long as the run, so nothing waits for the disk. Only here.
      settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_wal_size: '4GB' },
    });
    const template = await makeTemplate(server);
    project.provide('databaseServer', { adminUrl: server.adminUrl, template });
    project.provide('runDirectory', directory);
  } catch (error) {
    await teardown();
    throw error;
  }
  return teardown;
}

async function makeTemplate(server: EmbeddedServer): Promise<string> {
  const template = `template_${migrationsDigest()}`;
  const client = new pg.Client({ connectionString: server.adminUrl });
  await client.connect();
  try {
    await client.query(`create database ${template}`);
  } finally {
    await client.end();
  }
  const url = new URL(server.adminUrl);
  url.pathname = template;
  await migrate((await prepareDatabase(url.href)).owner, migrations);
  return template;
}

function migrationsDigest(): string {
  const home = new URL('../../migrations/', import.meta.url);
  const files = readdirSync(home)
    .filter((name) => name.endsWith('.ts'))
    .sort();
  return hash(
    'sha256',
    files.map((name) => `${name}\n${readFileSync(new URL(name, home), 'utf8')}`).join('\n'),
  ).slice(0, 16);
}

/** Ends the servers of runs that were killed, and removes their directories. */
async function sweep(): Promise<void> {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(PREFIX))) {
    const run = join(tmpdir(), name);
    try {
      // No lock yet: a run that starts at this moment, or one that died before it had a server.
      if (!existsSync(join(run, 'app.lock')) && Date.now() - statSync(run).mtimeMs < 3_600_000) continue;
      if (lockHolder(run) !== undefined) continue;
      for (const dataDir of [run, ...readdirSync(run).map((inner) => join(run, inner))]) {
        if (!existsSync(join(dataDir, 'postgres', 'postmaster.pid'))) continue;
        await (await startEmbeddedServer({ dataDir, log: () => undefined })).stop();
      }
      rmSync(run, { recursive: true, force: true, maxRetries: 5 });
    } catch (error) {
      // Another run may sweep the same one; what stays is tried again next time.
      console.warn(`left ${run} in place: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
