import { chmodSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type EmbeddedServer, startEmbeddedServer } from '#database';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import { until } from '../kit/app-in-process.ts';
import { run } from '../kit/database.ts';
import { runningProcesses, treeOf } from '../kit/processes.ts';
import { StallingProxy } from '../kit/stalling-proxy.ts';
import { setUp, type SignedIn, signIn } from '../kit/tenancy.ts';
import { verifyExport } from './verify-export.ts';

const WRITERS = 8;

/** A database with durable commits, killed with everything that belongs to it while organizations are renamed. */
describe('PostgreSQL killed in mid-flight', () => {
  let server: EmbeddedServer;
  let proxy: StallingProxy;
  let product: Product;
  let admin: SignedIn;
  let dataDir = '';

  beforeAll(async () => {
    dataDir = join(mkdtempSync(join(inject('runDirectory'), 'crash-')), 'server');
    chmodSync(join(dataDir, '..'), 0o711);
    mkdirSync(dataDir, { mode: 0o711 });
    server = await startEmbeddedServer({ dataDir, log: () => undefined });
    proxy = await StallingProxy.before(server.adminUrl);
    product = await startProduct({ databaseUrl: proxy.url });
    admin = await signIn(product, await setUp(product));
  });
  afterAll(async () => {
    await disposeAll([product]);
    await proxy?.close();
    await server?.stop();
  });

  const rename = (name: string) =>
    product.api.patch(`/orgs/${admin.organization.id}`, { name }, { token: admin.accessToken });

  it('leaves no acknowledged change without its record, and no record without its change', async () => {
    const acknowledged = new Set<string>();
    const ends = new AbortController();
    let count = 0;
    const write = async (): Promise<void> => {
      while (!ends.signal.aborted) {
        const name = `Name ${(count += 1)}`;
        const answer = await rename(name).catch(() => undefined);
        if (answer?.status === 200) acknowledged.add(name);
      }
    };
    const writers = Array.from({ length: WRITERS }, write);
    await until(async () => acknowledged.size > 100);
    const postmaster = Number(
      readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0],
    );
    for (const { pid } of treeOf(postmaster, runningProcesses())) process.kill(pid, 'SIGKILL');
    await server.stop();
    server = await startEmbeddedServer({ dataDir, log: () => undefined });
    proxy.lead(server.adminUrl);
    const before = acknowledged.size;
    await until(async () => acknowledged.size > before + 20);
    ends.abort();
    await Promise.all(writers);

    const path = `/orgs/${admin.organization.id}/audit/export?limit=10000`;
    const lines: string[] = [];
    for (let after = 0; ;) {
      const answer = await fetch(`${product.origin}/api/v1${path}&after=${after}`, {
        headers: { authorization: `Bearer ${admin.accessToken}` },
      });
      const text = await answer.text();
      expect(answer.status, text).toBe(200);
      lines.push(...text.split('\n').slice(0, -1));
      const next = Number(answer.headers.get('x-audit-next'));
      if (next === after || text === '') break;
      after = next;
    }
    expect((await verifyExport(lines)).problems).toEqual([]);
    const recorded = lines
      .map((line) => JSON.parse(line) as { action: string; changes?: { name: { to: string } } })
      .flatMap(({ action, changes }) => (action === 'org.updated' ? (changes?.name.to ?? []) : []));
    const missing = [...acknowledged].filter((name) => !recorded.includes(name));
    expect(missing).toEqual([]);
    expect(new Set(recorded).size).toBe(recorded.length);
    // The row is what the last record says: what was recorded has happened.
    const [row] = await run(server.adminUrl, 'SELECT name FROM portcullis.organizations WHERE id = $1', [
      admin.organization.id,
    ]);
    expect(row?.['name']).toBe(recorded.at(-1));
  });
});
