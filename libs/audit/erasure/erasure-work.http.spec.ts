import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../../test/kit/app-in-process.ts';
import { ErasureWork } from './erasure-work.ts';

let product: AppInProcess;
let admin: SignedIn;
let orgId = '';

/** No worker runs: the specs play it. */
beforeAll(async () => {
  product = await startApp();
  admin = await product.signIn(owner);
  orgId = admin.organization.id;
});
afterAll(() => product.close());

const path = (): string => `/orgs/${orgId}/audit`;
const as = () => ({ token: admin.accessToken });
const request = async (): Promise<string> =>
  expectStatus(await product.post(`${path()}/erasures`, { userId: admin.user.id }, as()), 202).id;
const one = async (id: string) => expectStatus(await product.get(`${path()}/erasures/${id}`, as()), 200);
const work = (erasureId: string, addresses: string[] = []): Promise<void> =>
  product.app.get(ErasureWork).run({ orgId, erasureId, addresses });
const hold = async (): Promise<unknown> =>
  expectStatus(await product.ask('PUT', `${path()}/hold`, { ...as(), body: { reason: 'file 7' } }), 200);
const lift = async (): Promise<unknown> => expectStatus(await product.delete(`${path()}/hold`, as()), 204);

it('a legal hold refuses an erasure, and says so', async () => {
  expectStatus(await product.get(`${path()}/hold`, as()), 404, 'audit.hold_not_found');
  await hold();
  expect(expectStatus(await product.get(`${path()}/hold`, as()), 200)).toMatchObject({ reason: 'file 7' });
  const refused = await product.post(`${path()}/erasures`, { userId: admin.user.id }, as());
  expectStatus(refused, 409, 'audit.on_hold');
  await lift();
  expectStatus(await product.delete(`${path()}/hold`, as()), 404, 'audit.hold_not_found');
  expect(await product.records(orgId, 'audit.hold_placed')).toMatchObject([
    { changes: { reason: { to: 'file 7' } } },
  ]);
  expect(await product.records(orgId, 'audit.hold_lifted')).toHaveLength(1);
});

it('a legal hold stops an erasure that waits, which then stays stopped', async () => {
  const id = await request();
  await hold();
  const before = await product.sql('SELECT personal FROM portcullis.audit_events ORDER BY id');
  await work(id);
  expect(await one(id)).toMatchObject({ state: 'stopped', events: 0 });
  expect(
    (await product.sql('SELECT personal FROM portcullis.audit_events ORDER BY id')).slice(0, before.length),
  ).toEqual(before);
  expect(await product.records(orgId, 'audit.erasure_ended')).toMatchObject([
    { outcome: 'failure', reason: 'on_hold' },
  ]);
  await lift();
  await work(id);
  expect(await one(id)).toMatchObject({ state: 'stopped', events: 0 });
});

it('the database refuses to erase under a hold, whatever the product believes', async () => {
  await hold();
  const { system } = product.database.urls;
  const { run } = await import('../../../test/kit/database.ts');
  const erase = run(system, `SELECT * FROM portcullis.audit_erase($1, $2, '{}', 0, 1000)`, [
    orgId,
    admin.user.id,
  ]);
  await expect(erase).rejects.toMatchObject({ code: 'PC006' });
  await lift();
});

it('an erasure that is worked off twice, as after a crash, erases once', async () => {
  const id = await request();
  await work(id);
  const first = await one(id);
  expect(first).toMatchObject({ state: 'completed' });
  expect(first.events).toBeGreaterThan(3);
  await work(id);
  expect(await one(id)).toEqual(first);
  expect(await product.records(orgId, 'audit.erased')).toHaveLength(1);
});

it('an erasure of the values of nobody known here ends, and erases nothing', async () => {
  const userId = '00000000-0000-7000-8000-000000000000';
  const { id } = expectStatus(await product.post(`${path()}/erasures`, { userId }, as()), 202);
  await work(id);
  expect(await one(id)).toMatchObject({ state: 'completed', events: 0 });
});
