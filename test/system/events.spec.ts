import { chmodSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type EmbeddedServer, startEmbeddedServer } from '#database';
import { newId, sha256 } from '#kernel';
import { isFullRun } from '../kit/full-run.ts';
import { until } from '../kit/app-in-process.ts';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import { natsMissing, NatsServer } from '../kit/nats-server.ts';
import { fillOutbox, published } from '../kit/outbox.ts';
import { StallingProxy } from '../kit/stalling-proxy.ts';
import { asRole } from '../kit/sql.ts';

if (natsMissing) console.log(`skipped: ${natsMissing}`);

/** 50,000 where the whole run is asked for. */
const EVENTS = isFullRun ? 50_000 : 4_000;
const AT_ONCE = 20;
const STREAM = 'CHAOS';

/** Everything that events go through is killed in turn while they are made: none is lost, none is out of order. */
describe.skipIf(natsMissing !== undefined)('events', { timeout: 900_000 }, () => {
  let directory = '';
  let server: EmbeddedServer;
  let proxy: StallingProxy;
  let nats: NatsServer;
  const workers: (Product | undefined)[] = [];
  const all: Product[] = [];

  const startServer = () =>
    startEmbeddedServer({ dataDir: directory, log: () => undefined, settings: { fsync: 'off' } });
  const startWorker = async (): Promise<Product> => {
    const options = {
      role: 'worker',
      databaseUrl: proxy.url,
      env: { PORTCULLIS_NATS_URL: nats.url, PORTCULLIS_NATS_STREAM: STREAM },
    } as const;
    const first = all[0];
    const worker = await startProduct(first ? { ...options, replicaOf: first } : options);
    all.push(worker);
    return worker;
  };

  beforeAll(async () => {
    directory = join(mkdtempSync(join(inject('runDirectory'), 'events-')), 'server');
    chmodSync(join(directory, '..'), 0o711);
    mkdirSync(directory, { mode: 0o711 });
    server = await startServer();
    proxy = await StallingProxy.before(server.adminUrl);
    nats = await NatsServer.start();
    for (let n = 0; n < 2; n += 1) workers[n] = await startWorker();
  });
  afterAll(async () => {
    await disposeAll(all);
    await nats?.stop();
    await proxy?.close();
    await server?.stop();
  });

  const chaos: Record<string, () => Promise<void>> = {
    nats: async () => {
      await nats.kill();
      await sleep(300);
      await nats.restart();
    },
    worker: async () => {
      const turn = all.length % 2;
      await workers[turn]?.kill9();
      workers[turn] = await startWorker();
    },
    postgres: async () => {
      const file = join(directory, 'postgres', 'postmaster.pid');
      process.kill(Number(readFileSync(file, 'utf8').split('\n')[0]), 'SIGKILL');
      await server.stop();
      server = await startServer();
      proxy.lead(server.adminUrl);
    },
  };

  it('survive whatever is killed: complete, in order, once, and each with its evidence', async () => {
    const orgIds = [newId(), newId(), newId()];
    let made = 0;
    let killed = 0;
    const done = (): boolean => made >= EVENTS && killed >= Object.keys(chaos).length * 2;
    const writing = (async () => {
      while (!done()) {
        const orgId = orgIds[(made / AT_ONCE) % orgIds.length]!;
        try {
          await fillOutbox(proxy.url, orgId, AT_ONCE);
          made += AT_ONCE;
          await sleep(5);
        } catch {
          // A commit whose answer was lost may have been one: the database tells in the end.
          await sleep(20);
        }
      }
    })();
    const killing = (async () => {
      while (!done()) {
        for (const kill of Object.values(chaos)) {
          await sleep(700);
          await kill();
          killed += 1;
        }
      }
    })();
    await Promise.all([writing, killing]);
    const missing = () =>
      asRole(server.adminUrl, (query) =>
        query(
          `SELECT count(*)::int AS n FROM event_positions p WHERE NOT EXISTS (
             SELECT FROM event_publications b WHERE b.org_id = p.org_id AND b.pos = p.pos)`,
        ),
      );
    await until(async () => (await missing())[0]?.['n'] === 0, 120_000);

    let duplicates = 0;
    let total = 0;
    for (const orgId of orgIds) {
      const events = await published(server.adminUrl, orgId);
      const messages = await nats.stored(STREAM, `portcullis.events.${orgId}.>`);
      total += events.length;
      expect(events.map(({ pos }) => pos)).toEqual(events.map((_, index) => index + 1));
      expect(messages.map(({ id }) => id)).toEqual(events.map(({ id }) => id));
      for (const [index, { evidence }] of events.entries()) {
        const { sequence, text } = messages[index]!;
        expect(evidence).toMatchObject([{ sequence, digest: sha256(text).toString('hex') }]);
        if (evidence[0]!.duplicate) duplicates += 1;
      }
    }
    console.log(
      `${total} events, ${killed} kills, ${duplicates} found in the stream and marked as duplicates`,
    );
    expect(total).toBeGreaterThanOrEqual(made);
  });
});
