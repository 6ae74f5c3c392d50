import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../../test/kit/app-in-process.ts';
import { fillLog, tamper } from '../../../test/kit/long-log.ts';
import { LogVerification } from './log-verification.ts';

const DAY_MS = 24 * 3_600_000;

let product: AppInProcess;
let admin: SignedIn;
let orgId = '';

beforeAll(async () => {
  product = await startApp();
  admin = await product.signIn(owner);
  orgId = admin.organization.id;
  await fillLog(product.database.adminUrl, orgId, 600);
});
afterAll(() => product.close());

const get = (path: string) => product.get(`/orgs/${orgId}/audit/${path}`, { token: admin.accessToken });
const posture = async () => expectStatus(await get('verification'), 200);
const verify = () => product.app.get(LogVerification).verifyAll(undefined, { id: 'spec', attempt: 0 });
/** What `/health/ready` says of the logs. */
const state = async (): Promise<unknown> => {
  const { components } = expectStatus(await product.get('/health/ready'), 200);
  return components.find(({ name }: { name: string }) => name === 'audit').state;
};
/** As a superuser may: of the event at a position, and back. */
const edit = (pos: number, was: string, is: string) =>
  tamper(
    product.database.adminUrl,
    `UPDATE audit_events SET leaf = replace(leaf, '"outcome":"${was}"', '"outcome":"${is}"')
      WHERE id = (SELECT event_id FROM audit_positions WHERE org_id = '${orgId}' AND pos = ${pos})`,
  );
const alter = (pos: number) => edit(pos, 'success', 'denied');
const repair = (pos: number) => edit(pos, 'denied', 'success');

it('what was found stands until all was read again without it, and ends with a record', async () => {
  await alter(300);
  await verify();
  await verify();
  expect(await posture()).toMatchObject({ problems: [{ kind: 'event_altered', pos: 300 }], resolved: [] });
  expect(await state()).toBe('degraded');
  expectStatus(await get('checkpoint'), 503, 'audit.log_altered');

  // A run that finds something else has not read all.
  await repair(300);
  await alter(500);
  await verify();
  expect((await posture()).problems).toMatchObject([{ pos: 300 }, { pos: 500 }]);
  expect(await state()).toBe('degraded');

  await repair(500);
  await verify();
  expect(await posture()).toMatchObject({ problems: [], resolved: [{ pos: 500 }, { pos: 300 }] });
  const ends = await product.records(orgId, 'audit.alteration_resolved');
  expect(ends.map(({ changes }) => changes.pos.to)).toEqual([300, 500]);
  expect(await state()).toBe('ready');
  expectStatus(await get('checkpoint'), 200);
});

it('the same again is found again', async () => {
  await alter(300);
  product.clock.advance(DAY_MS);
  await verify();
  product.clock.reset();
  expect((await posture()).problems).toMatchObject([{ kind: 'event_altered', pos: 300 }]);
  expect(await product.records(orgId, 'audit.alteration_found')).toHaveLength(3);
});

it('nobody writes anything but the end of a finding, and that once', async () => {
  const change = (sql: string) => product.change(sql, []);
  await expect(change('UPDATE audit_findings SET pos = 1')).rejects.toThrow('only its end');
  await expect(change('UPDATE audit_findings SET resolved_at = NULL')).rejects.toThrow('only its end');
  await expect(change('UPDATE audit_findings SET resolved_at = now()')).rejects.toThrow('only its end');
  await expect(change('DELETE FROM audit_findings')).rejects.toThrow('append-only');
});
