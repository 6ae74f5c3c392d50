import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type AppInProcess,
  expectStatus,
  MovableClock,
  owner,
  type SignedIn,
  startApp,
} from '../../../test/kit/app-in-process.ts';
import { callerIn, type SeededTenant } from '../../../test/kit/tenants.ts';
import type { VaultServer } from '../../../test/kit/vault-server.ts';
import { type VaultUnderTest, vaultUnderTest } from '../../../test/kit/vault-under-test.ts';
import type { Caller } from '#kernel';
import { SecretStore } from '../secret-store.ts';
import { VaultChanges } from './vault-changes.ts';
import { VaultJobs } from './vault-jobs.ts';

const VALUE = 'canary-in-vault-one';
const NEXT = 'canary-in-vault-two';
const settings = { description: 'of the ledger', tags: { env: 'prod' }, maxVersions: 5, casRequired: false };

let app: AppInProcess;
let under: VaultUnderTest;
let server: VaultServer;
let store: SecretStore;
let caller: Caller;
let admin: SignedIn;
let made = 0;
let path: string;

const orgId = (): string => caller.org.id;
const keyOf = (name = path): string => `portcullis/${orgId()}/${name}`;
const create = (fields = { key: VALUE }) => store.create(caller, path, fields, settings);
const write = (cas?: number) => store.write(caller, { path }, { key: NEXT }, cas);
const resolve = async (name = path) =>
  (await store.resolve({ orgId: orgId(), purpose: 'sink:x' }, { path: name, field: 'key' })).reveal();
const records = async (action: string) =>
  (await app.records(orgId(), action)).filter(({ changes }) => changes?.path?.to === path);
const pending = async (): Promise<number> => (await app.sql('SELECT 1 FROM portcullis.vault_changes')).length;
/** As if minutes had passed, and whoever was at it had died. */
async function settle(): Promise<void> {
  await app.change(`UPDATE portcullis.vault_changes SET started_at = now() - interval '1 hour'`);
  await app.app.get(VaultChanges).settle();
}
const lose = (on: RegExp) => server.misbehave('lost', 1, on);

beforeAll(async () => {
  under = await vaultUnderTest();
  server = under.fake!;
  app = await startApp({ secrets: { remote: under.remote(new MovableClock()) } });
  store = app.app.get(SecretStore);
  admin = await app.signIn(owner, 'acme');
  const { organization, user, session } = admin;
  const tenant = { orgId: organization.id, userId: user.id, sessionId: session.id, mark: user.name };
  caller = callerIn(tenant as SeededTenant);
});
beforeEach(() => {
  path = `changes/${(made += 1)}`;
});
afterEach(() => {
  server.behave();
  server.sealed = false;
});
afterAll(async () => {
  await app.close();
  await under.stop();
});

describe('a change that is sent to the server', () => {
  it('stands in the log before it is sent, and its end with it', async () => {
    await create();
    await write(1);
    const begun = await records('secret.change_started');
    expect(begun.map(({ changes }) => [changes.kind.to, changes.version.to])).toEqual([
      ['created', 1],
      ['written', 2],
    ]);
    const [created] = await records('secret.created');
    expect(created).toMatchObject({ outcome: 'success', changes: { change: begun[0].changes.change } });
    expect(await pending()).toBe(0);
  });

  it('is not sent where it cannot be written down', async () => {
    await create();
    await app.sql('ALTER TABLE portcullis.vault_changes ADD CONSTRAINT no_more CHECK (false) NOT VALID');
    await expect(write()).rejects.toThrow();
    await app.sql('ALTER TABLE portcullis.vault_changes DROP CONSTRAINT no_more');
    expect(server.kv.keys.get(keyOf())?.current).toBe(1);
  });

  it('that was done and not answered is found, and stands in the log', async () => {
    await create();
    lose(/^POST kv\/data/);
    await expect(write(1)).rejects.toMatchObject({ code: 'secrets.end_unknown', kind: 'unavailable' });
    expect(await records('secret.written')).toEqual([]);
    expect(await pending()).toBe(1);
    await settle();
    expect(await records('secret.written')).toMatchObject([
      { outcome: 'success', reason: 'found_done', actor: { id: 'secrets' }, changes: { version: { to: 2 } } },
    ]);
    expect(await pending()).toBe(0);
    expect((await store.find(caller, NEXT)).map((found) => found.path)).toContain(path);
    expect(await resolve()).toBe(NEXT);
  });

  it('that was not done and not answered is found undone', async () => {
    await create();
    server.misbehave('break', 1, /^POST kv\/data/);
    await expect(write(1)).rejects.toMatchObject({ code: 'secrets.end_unknown' });
    await settle();
    expect(await records('secret.written')).toMatchObject([{ outcome: 'failure', reason: 'found_undone' }]);
    expect(await resolve()).toBe(VALUE);
  });

  it('whose version somebody else has made meanwhile is not taken for theirs', async () => {
    await create();
    server.misbehave('break', 1, /^POST kv\/data/);
    await expect(write(1)).rejects.toMatchObject({ code: 'secrets.end_unknown' });
    put(keyOf(), { key: 'by others' });
    await settle();
    expect(await records('secret.written')).toMatchObject([{ outcome: 'failure', reason: 'found_undone' }]);
  });

  it('is recorded later where the database failed after the server had done it', async () => {
    await create();
    await app.sql('ALTER TABLE portcullis.secret_digests ADD CONSTRAINT no_more CHECK (false) NOT VALID');
    await expect(write()).rejects.toThrow();
    await app.sql('ALTER TABLE portcullis.secret_digests DROP CONSTRAINT no_more');
    expect(await records('secret.written')).toEqual([]);
    await settle();
    expect(await records('secret.written')).toMatchObject([{ outcome: 'success', reason: 'found_done' }]);
  });

  it('that made a secret and lost what is told of it is completed', async () => {
    lose(/^POST kv\/metadata/);
    await expect(create()).rejects.toMatchObject({ code: 'secrets.end_unknown' });
    server.kv.keys.get(keyOf())!.custom = null;
    await settle();
    expect(await records('secret.created')).toMatchObject([{ reason: 'found_done' }]);
    const told = await store.describe(caller, { path });
    expect(told).toMatchObject({ description: 'of the ledger', tags: { env: 'prod' }, maxVersions: 5 });
    expect(server.kv.keys.get(keyOf())?.custom).toMatchObject({ 'portcullis.id': told.id });
  });

  it('that was refused leaves a record of that and nothing else', async () => {
    await create();
    server.misbehave({ status: 400, errors: [`no ${NEXT}`] }, 1, /^POST kv\/data/);
    await expect(write()).rejects.toMatchObject({ code: 'secrets.store_refused' });
    expect(await records('secret.written')).toMatchObject([
      { outcome: 'failure', reason: 'secrets.store_refused' },
    ]);
    expect(await pending()).toBe(0);
  });

  it('that the server says it made and does not show is not taken for done', async () => {
    await create();
    server.misbehave({ status: 204 }, 1, /^POST kv\/delete/);
    await expect(store.remove(caller, { path }, [1])).rejects.toMatchObject({ code: 'secrets.end_unknown' });
    await settle();
    expect(await records('secret.deleted')).toMatchObject([{ outcome: 'failure', reason: 'found_undone' }]);
  });

  it.each(['deleted', 'destroyed'] as const)('settles one that was %s', async (kind) => {
    await create();
    const end = kind === 'deleted' ? /^POST kv\/delete/ : /^DELETE kv\/metadata/;
    lose(end);
    const work = kind === 'deleted' ? store.remove(caller, { path }) : store.destroy(caller, { path });
    await expect(work).rejects.toMatchObject({ code: 'secrets.end_unknown' });
    await settle();
    expect(await records(`secret.${kind}`)).toMatchObject([{ outcome: 'success', reason: 'found_done' }]);
    const code = kind === 'deleted' ? 'secrets.deleted' : 'secrets.not_found';
    await expect(resolve()).rejects.toMatchObject({ code });
  });
});

function put(key: string, data: Record<string, unknown>): void {
  const query = new URLSearchParams();
  server.kv.handle({ method: 'POST', path: `data/${key}`, query, body: { data } });
}

describe('a secret that others put there', () => {
  it('is resolved, gets an id, and bears it once it was written through us', async () => {
    put(keyOf(), { key: VALUE });
    expect(await resolve()).toBe(VALUE);
    const { id } = await store.describe(caller, { path });
    expect(await records('secret.adopted')).toMatchObject([{ target: { id }, actor: { type: 'system' } }]);
    expect((await store.list(caller, { prefix: path, limit: 10 })).map((one) => one.id)).toEqual([id]);
    await write();
    expect(server.kv.keys.get(keyOf())?.custom).toEqual({ 'portcullis.id': id });
  });

  it('in place of another is another', async () => {
    const { id } = await create();
    server.kv.keys.delete(keyOf());
    await expect(store.reveal(caller, { id })).rejects.toMatchObject({ code: 'secrets.not_found' });
    put(keyOf(), { key: 'by others' });
    await expect(store.reveal(caller, { id })).rejects.toMatchObject({ code: 'secrets.not_found' });
    expect(await resolve()).toBe('by others');
    expect((await store.describe(caller, { path })).id).not.toBe(id);
  });

  it('and that nothing could refer to is not told', async () => {
    put(keyOf('odd name'), { key: VALUE });
    put(keyOf(`${path}/good`), { key: VALUE });
    const all = await store.list(caller, { limit: 100 });
    expect(all.map((one) => one.path)).toContain(`${path}/good`);
    expect(all.map((one) => one.path)).not.toContain('odd name');
  });

  it('and that is not made of texts is unreadable', async () => {
    put(keyOf(), { key: { nested: VALUE } });
    await expect(resolve()).rejects.toMatchObject({ code: 'secrets.unreadable' });
  });

  it('makes way where they removed one of ours', async () => {
    const before = await create();
    server.kv.keys.delete(keyOf());
    const after = await create();
    expect(after.id).not.toBe(before.id);
    expect(await records('secret.destroyed')).toMatchObject([
      { target: { id: before.id }, reason: 'gone_from_store' },
    ]);
  });
});

describe('a value that lies in the server', () => {
  it.each(['secret_uses', 'audit_events'])(
    'is not given where its use cannot be recorded in %s',
    async (table) => {
      await create();
      await app.sql(`ALTER TABLE portcullis.${table} ADD CONSTRAINT no_more CHECK (false) NOT VALID`);
      await expect(resolve()).rejects.toThrow();
      await expect(store.reveal(caller, { path })).rejects.toThrow();
      await app.sql(`ALTER TABLE portcullis.${table} DROP CONSTRAINT no_more`);
      expect(await resolve()).toBe(VALUE);
    },
  );

  it('is asked for below the prefix of its organization and nowhere else', async () => {
    server.requests.length = 0;
    await create();
    await resolve();
    await store.list(caller, { limit: 5 });
    const asked = server.requests.filter((request) => request.path.startsWith('/v1/kv/'));
    expect(asked.length).toBeGreaterThan(3);
    const below = new RegExp(`^/v1/kv/[a-z]+/portcullis/${orgId()}(/|$)`);
    expect(asked.filter((request) => !below.test(request.path))).toEqual([]);
    await expect(resolve(`../${orgId()}/${path}`)).rejects.toMatchObject({ code: 'secrets.bad_path' });
  });

  it('is not said to be missing by two answers of different servers', async () => {
    await create();
    server.misbehave({ status: 404 }, 1, /^GET kv\/data/);
    await expect(resolve()).rejects.toMatchObject({ code: 'secrets.unavailable' });
    expect(await resolve()).toBe(VALUE);
  });

  it('is told of with what cannot be printed, and refused where the server cannot keep what is told', async () => {
    const odd = { description: 'tab\tnew\nline "quoted" \u200d €', tags: { empty: '', zero: 'a\u00a0b' } };
    const created = await store.create(caller, path, { key: VALUE }, { ...settings, ...odd });
    expect(await store.describe(caller, { id: created.id })).toMatchObject(odd);
    const long = { description: 'x'.repeat(600) };
    await expect(store.update(caller, { path }, long)).rejects.toMatchObject({ code: 'secrets.too_long' });
  });
});

describe('the API while the server', () => {
  const url = () => `/orgs/${orgId()}/secrets`;
  const as = (): { token: string } => ({ token: admin.accessToken });

  it.each([
    ['is sealed', (): void => void (server.sealed = true), 'secrets.unavailable'],
    ['fails', () => server.misbehave({ status: 500 }), 'secrets.unavailable'],
    ['talks nonsense', () => server.misbehave('malformed'), 'secrets.unavailable'],
    ['sends elsewhere', () => server.misbehave({ redirect: 'http://127.0.0.1:1/' }), 'secrets.unavailable'],
    ['refuses', () => server.misbehave({ status: 403 }, Infinity, / kv/), 'secrets.store_refused'],
  ] as const)('%s answers 503 with the code and when to come again', async (_what, trouble, code) => {
    const { id } = await create();
    trouble();
    for (const answer of [
      await app.get(url(), as()),
      await app.get(`${url()}/${id}`, as()),
      await app.post(`${url()}/${id}/reveal`, {}, as()),
      await app.post(`${url()}/${id}/versions`, { fields: { key: NEXT } }, as()),
    ]) {
      expectStatus(answer, 503, code);
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    }
    const refused = (await app.records(orgId(), 'secret.revealed')).filter(({ target }) => target.id === id);
    expect(refused).toMatchObject([{ outcome: 'failure', reason: code }]);
    // What needs no secret goes on.
    expectStatus(await app.get('/auth/me', as()), 200);
  });
});

describe('an organization that is deleted', () => {
  it('leaves nothing in the server, and no value is given in between', async () => {
    const other = await app.addTenant('gone', {
      email: 'g@gone.example',
      name: 'G',
      password: 'slow green harbour 5 x',
    });
    const id = other.organization.id;
    const url = `/orgs/${id}/secrets`;
    const as = { token: other.accessToken };
    expectStatus(await app.post(url, { path: 'a/b', fields: { key: VALUE } }, as), 201);
    expectStatus(await app.post(url, { path: 'c', fields: { key: VALUE } }, as), 201);
    expectStatus(await app.delete(`/orgs/${id}`, as), 204);
    const reference = { path: 'a/b', field: 'key' };
    await expect(store.resolve({ orgId: id, purpose: 'sink:x' }, reference)).rejects.toMatchObject({
      code: 'secrets.not_found',
    });
    const waiting = await app.sql(`SELECT 1 FROM pgboss.job WHERE name = 'vault_erasure'`);
    expect(waiting).toHaveLength(1);
    await app.app.get(VaultJobs).erase({ orgId: id }, { id: 'x', attempt: 0 });
    expect([...server.kv.keys.keys()].filter((key) => key.includes(id))).toEqual([]);
    const platform = await app.signIn(owner, 'platform');
    const erased = await app.records(platform.organization.id, 'secret_store.organization_erased');
    expect(erased).toMatchObject([{ target: { id }, changes: { secrets: { to: 2 } } }]);
  });
});

describe('values that lie in the server', () => {
  it('stand nowhere in the database, nor in the log', async () => {
    const tables = await app.sql(
      `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'portcullis'`,
    );
    expect(tables.length).toBeGreaterThan(20);
    const shown = [...app.log];
    for (const { name } of tables) {
      shown.push(JSON.stringify(await app.sql(`SELECT * FROM portcullis."${String(name)}"`)));
    }
    const text = shown.join('\n');
    for (const secret of [VALUE, NEXT, 'hvs.']) expect(text).not.toContain(secret);
  });
});
