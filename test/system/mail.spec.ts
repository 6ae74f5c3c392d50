import { join } from 'node:path';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database, prepareDatabase } from '#database';
import { AppLogger, createHttpApp } from '#http';
import { Jobs } from '#jobs';
import { Mail, MailConfig } from '#mail';
import { MasterKey } from '#secrets';
import { AppModule } from '../../apps/api/app.module.ts';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import { mailFrom, until } from '../kit/app-in-process.ts';
import { run } from '../kit/database.ts';
import { type MailServer, startMailServer } from '../kit/mail-server.ts';
import { setUp } from '../kit/tenancy.ts';

/**
 * Mail that one process adds and others deliver: two workers as processes of their own, on the database of a third,
 * and this process as one that only adds.
 */
describe('mail across processes', () => {
  let server: MailServer;
  let adder: NestFastifyApplication;
  let adminUrl: string;
  const products: Product[] = [];
  const startWorker = async (): Promise<Product> => {
    const worker = await startProduct({ replicaOf: products[0]!, role: 'worker', env: mailEnv() });
    products.push(worker);
    return worker;
  };
  const mailEnv = () => ({
    PORTCULLIS_SMTP_URL: server.url,
    PORTCULLIS_MAIL_FROM: `${mailFrom.name} <${mailFrom.address}>`,
  });

  beforeAll(async () => {
    server = await startMailServer();
    const first = await startProduct({ role: 'api', env: mailEnv() });
    products.push(first);
    await setUp(first);
    adminUrl = await first.databaseUrl();
    adder = await createHttpApp(
      AppModule.with({
        database: { urls: await prepareDatabase(adminUrl), poolSize: 2 },
        masterKey: MasterKey.make(join(first.dataDir, 'master.key')),
        publicUrl: first.origin,
        issuer: undefined,
        mail: new MailConfig(server.url, mailFrom),
      }),
      { logger: new AppLogger({ write: () => undefined }) },
    );
    await adder.init();
    await adder.get(Jobs).start({ works: false, report: (failure) => console.error(failure) });
  });
  afterAll(async () => {
    await adder?.close();
    await disposeAll(products);
    await server?.close();
  });

  const send = (to: string): Promise<boolean> =>
    adder.get(Database).acrossOrgs('manage_members', (tx) =>
      adder.get(Mail).send(tx, {
        template: 'lockout',
        to,
        data: { at: '2026-11-22T05:48:00Z', ip: '192.0.2.7' },
      }),
    );
  const ofUs = (to: string) => server.mails().filter((one) => one.to[0] === to);
  const open = async (): Promise<number> =>
    (await run(adminUrl, `SELECT id FROM pgboss.job WHERE name = 'mail' AND state < 'completed'`)).length;

  it('waits while nobody works, and then leaves once, by whichever worker', async () => {
    const people = Array.from({ length: 20 }, (_, n) => `person-${n}@x.example`);
    for (const to of people) expect(await send(to)).toBe(true);
    expect(server.attempts()).toBe(0);
    await Promise.all([startWorker(), startWorker()]);
    for (const to of people) await server.waitFor((one) => one.to[0] === to);
    await until(async () => (await open()) === 0);
    for (const to of people) expect(ofUs(to)).toHaveLength(1);
    expect(server.attempts()).toBe(people.length);
  });

  it('that a worker was sending as it was killed is sent by the next, under the same Message-ID', async () => {
    const [, one, other] = products;
    await other!.stop();
    const offered = server.attempts();
    const release = server.hold();
    await send('killed@x.example');
    await until(async () => server.attempts() > offered);
    await one!.kill9();
    release();
    expect(ofUs('killed@x.example')).toEqual([]);
    const [job] = await run(adminUrl, `SELECT id FROM pgboss.job WHERE state = 'active'`);
    const killedAt = performance.now();
    const next = await startWorker();
    const { messageId } = await server.waitFor((mail) => mail.to[0] === 'killed@x.example', 90_000);
    console.log(`delivered ${((performance.now() - killedAt) / 1000).toFixed(1)} s after the kill`);
    expect(messageId).toBe(`<${String(job?.['id'])}@portcullis.example>`);
    await until(async () => (await open()) === 0);
    expect(ofUs('killed@x.example')).toHaveLength(1);
    for (const { output } of [one!, other!, next].map((each) => ({ output: each.output() }))) {
      expect(output).not.toMatch(/x\.example/);
    }
  });

  it('that is under way is finished before a worker stops', async () => {
    const worker = products.at(-1)!;
    const offered = server.attempts();
    const release = server.hold();
    await send('stopped@x.example');
    await until(async () => server.attempts() > offered);
    const stopped = worker.stop();
    setTimeout(release, 1_000);
    await stopped;
    expect(ofUs('stopped@x.example')).toHaveLength(1);
    expect(await open()).toBe(0);
  });
});
