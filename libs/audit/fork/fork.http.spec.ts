import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../../test/kit/app-in-process.ts';
import { tamper } from '../../../test/kit/long-log.ts';
import { CheckpointRounds } from '../checkpoint/checkpoint-rounds.ts';
import { openNote } from '../checkpoint/note.ts';

let product: AppInProcess;
let operator: SignedIn;
let admin: SignedIn;
let orgId = '';
let anchor = '';
let tenants = 0;

beforeAll(async () => {
  anchor = await mkdtemp(join(tmpdir(), 'portcullis-anchor-'));
  product = await startApp({ audit: { checkpointSeconds: 60, anchorDir: anchor } });
  operator = await product.signIn(owner, 'platform');
});
afterAll(async () => {
  await product.close();
  await rm(anchor, { recursive: true, force: true });
});
beforeEach(async () => {
  tenants += 1;
  const person = { ...owner, email: `owner${tenants}@tenant.example` };
  admin = await product.addTenant(`tenant-${tenants}`, person);
  orgId = admin.organization.id;
});

const rounds = () => product.app.get(CheckpointRounds);
const compare = (): Promise<void> => rounds().compare(() => undefined);
const round = (): Promise<void> => rounds().round(() => undefined);
const audit = (path: string): Promise<Answered> =>
  product.get(`/orgs/${orgId}/audit/${path}`, { token: admin.accessToken });
const ready = (): Promise<Answered> => product.get('/health/ready');
const acknowledge = (id = orgId): Promise<Answered> =>
  product.post(
    `/platform/audit-forks/${id}/acknowledge`,
    { reason: 'restored after a disk failure' },
    { token: operator.accessToken },
  );
const anchored = async (): Promise<number> =>
  Number((await readFile(join(anchor, `${orgId}.checkpoint`), 'utf8')).split('\n')[1]);
const act = async (): Promise<void> => {
  const body = { name: `Tenant ${Math.random()}` };
  expectStatus(await product.ask('PATCH', `/orgs/${orgId}`, { token: admin.accessToken, body }), 200);
};
/** What a restore of a backup from before the last two records leaves. */
const restore = async (): Promise<void> => {
  const size = (await anchored()) - 2;
  const cut = (sql: string) => tamper(product.database.adminUrl, sql, [orgId, size]);
  await cut('DELETE FROM audit_checkpoints WHERE org_id = $1 AND size > $2');
  await cut('DELETE FROM audit_positions WHERE org_id = $1 AND pos > $2');
};

it('a restored log is found at start: marked, signed, not ready, not exported, until it is acknowledged', async () => {
  for (let n = 0; n < 4; n += 1) await act();
  await round();
  expectStatus(await ready(), 200);
  const size = await anchored();
  await restore();
  await compare();

  const down = expectStatus(await ready(), 503, 'system.not_ready');
  expect(down.data.components).toContainEqual({ name: 'audit', state: 'down', reason: 'fork' });
  for (const path of ['export', 'export?format=ocsf', 'checkpoint'])
    expectStatus(await audit(path), 503, 'audit.fork_detected');
  await round();
  expect(await anchored()).toBe(size);

  const list = await product.get('/platform/audit-forks', { token: operator.accessToken });
  const [fork] = expectStatus(list, 200).items;
  expect(fork).toMatchObject({ organizationId: orgId, oldSize: size, newSize: size - 2 });
  expect(fork).not.toHaveProperty('acknowledgedAt');
  const [mark] = await product.records(orgId, 'audit.fork_marked');
  expect(mark.changes).toMatchObject({
    fork: { to: fork.id },
    oldSize: { to: size },
    oldRoot: { to: fork.oldRoot },
    newRoot: { to: fork.newRoot },
  });
  expect(fork.note.split('\n').slice(1, 5)).toEqual([
    String(size),
    Buffer.from(fork.oldRoot, 'hex').toString('base64'),
    String(size - 2),
    Buffer.from(fork.newRoot, 'hex').toString('base64'),
  ]);

  expectStatus(await acknowledge(), 200);
  expectStatus(await ready(), 200);
  expectStatus(await audit('export'), 200);
  expectStatus(await audit('checkpoint'), 200);
  expectStatus(await acknowledge(), 404, 'audit.fork_not_found');
  for (const log of [orgId, operator.organization.id]) {
    expect(await product.records(log, 'audit.fork_acknowledged'), log).toMatchObject([
      { actor: { id: operator.user.id }, target: { id: orgId }, changes: { fork: { to: fork.id } } },
    ]);
  }
});

it('after it the log goes on, is published again, and a second restore is found as the first was', async () => {
  for (let n = 0; n < 4; n += 1) await act();
  await round();
  await restore();
  await compare();
  expectStatus(await acknowledge(), 200);
  await round();
  await compare();
  expectStatus(await ready(), 200);
  const size = await anchored();
  expect(await anchored()).toBe(size);
  for (let n = 0; n < 4; n += 1) await act();
  await round();
  expect(await anchored()).toBeGreaterThan(size);
  await restore();
  await compare();
  expectStatus(await ready(), 503, 'system.not_ready');
  expect(await product.records(orgId, 'audit.fork_marked')).toHaveLength(2);
  expectStatus(await acknowledge(), 200);
  await round();
  expectStatus(await ready(), 200);
});

it('a log cut by hand, whose checkpoints still stand, is acknowledged in the same way', async () => {
  await act();
  await round();
  const size = await anchored();
  await tamper(product.database.adminUrl, 'DELETE FROM audit_positions WHERE org_id = $1 AND pos > $2', [
    orgId,
    size - 1,
  ]);
  await act();
  await act();
  await compare();
  expectStatus(await ready(), 503, 'system.not_ready');
  expectStatus(await acknowledge(), 200);
  for (let n = 0; n < 3; n += 1) {
    expectStatus(await audit('checkpoint'), 200);
    await act();
  }
  await round();
  expectStatus(await ready(), 200);
});

it('a fork of one log keeps no other from its export', async () => {
  await act();
  await round();
  await restore();
  await compare();
  const path = `/orgs/${operator.organization.id}/audit/export`;
  expectStatus(await product.get(path, { token: operator.accessToken }), 200);
  const none = await product.post(
    `/platform/audit-forks/${orgId}/acknowledge`,
    { reason: 'x' },
    { token: admin.accessToken },
  );
  expectStatus(none, 403, 'access.denied');
  expectStatus(await acknowledge(), 200);
});

it('where the anchor cannot be read nobody knows, so that no process is ready', async () => {
  await act();
  await round();
  const file = join(anchor, `${orgId}.checkpoint`);
  const good = await readFile(file, 'utf8');
  await writeFile(file, good.replace(/^\S+/, 'somebody.else/orgs/x/audit'));
  await compare();
  const down = expectStatus(await ready(), 503, 'system.not_ready');
  expect(down.data.components).toContainEqual({ name: 'audit', state: 'down', reason: 'not_compared' });
  await writeFile(file, good);
  await compare();
  expectStatus(await ready(), 200);
});

it('the record of a fork is no checkpoint of the log', async () => {
  const items = expectStatus(
    await product.get('/platform/audit-forks', { token: operator.accessToken }),
    200,
  ).items;
  expect(items.length).toBeGreaterThan(3);
  const keys = (await product.get('/.well-known/audit-keys')).raw.toString().trimEnd().split('\n');
  const known = keys.map((line) => {
    const [, name = '', encoded = ''] = /^(.*?)\+[^+]*\+(.*)$/.exec(line) ?? [];
    return { name, publicKey: Buffer.from(encoded, 'base64').subarray(1) };
  });
  for (const { note } of items) {
    expect(note).toContain('/audit/fork\n');
    expect(openNote(note, known)).toBeUndefined();
  }
});
