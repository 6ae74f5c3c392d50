import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
  until,
} from '../../../test/kit/app-in-process.ts';
import { RemoteSecretStore } from '../../../test/kit/remote-store.ts';
import { conforms } from '../../../test/kit/store-conformance.ts';
import { callerIn, type SeededTenant } from '../../../test/kit/tenants.ts';
import { CheckpointRounds } from '#audit';
import { Database, InvalidationStream } from '#database';
import type { Caller } from '#kernel';
import { EmbeddedStore } from '../embedded/embedded-store.ts';
import { SecretReferences } from '../references.ts';
import { SecretStore } from '../secret-store.ts';
import type { CachedStore } from './cached-store.ts';
import { secretAges } from './secret-ages.ts';

let app: AppInProcess;
let remote: RemoteSecretStore;
let admin: SignedIn;
let other: SignedIn;
let references: SecretReferences;
let cache: CachedStore;

beforeAll(async () => {
  app = await startApp({
    secrets: {
      // Mail asks each time, so that what happens without the store needs no time to pass.
      ages: { ...secretAges, mail: { refreshMs: 0, maxStaleMs: 600_000 } },
      remote: {
        inject: [EmbeddedStore],
        useFactory: (store: EmbeddedStore) => (remote = new RemoteSecretStore(store)),
      },
    },
  });
  admin = await app.signIn(owner, 'acme');
  const person = { email: 'o@other.example', name: 'O', password: 'slow green harbour 4 x' };
  other = await app.addTenant('other', person);
  references = app.app.get(SecretReferences);
  cache = app.app.get(SecretStore);
  await app.app.get(CheckpointRounds).compare(() => undefined);
  await until(async () => app.app.get(InvalidationStream).isFresh);
});
afterAll(() => app.close());
afterEach(async () => {
  remote.away = false;
  remote.failWith(undefined);
  remote.delay = () => Promise.resolve();
});

let made = 0;
/** A secret of its own for each specification. */
async function keep(value: string, who = admin, path = `cached/${(made += 1)}`): Promise<Kept> {
  const orgId = who.organization.id;
  const url = `/orgs/${orgId}/secrets`;
  const as = { token: who.accessToken };
  const { id } = expectStatus(await app.post(url, { path, fields: { key: value } }, as), 201);
  return { id, path, orgId, url: `${url}/${id}`, as, reference: `secret://${path}#key` };
}
interface Kept {
  id: string;
  path: string;
  orgId: string;
  url: string;
  as: { token: string };
  reference: string;
}

const use = async ({ orgId, reference }: Kept, purpose: 'sink:x' | 'mail:x' = 'sink:x') =>
  (await references.resolve(orgId, reference, purpose)).reveal();
const refused = (work: Promise<unknown>, code: string) => expect(work).rejects.toMatchObject({ code });
const askedDuring = async (work: () => Promise<unknown>): Promise<number> => {
  const before = remote.asked;
  await work();
  return remote.asked - before;
};
const usesOf = async ({ orgId, id }: Kept) =>
  (await app.records(orgId, 'secret.resolved')).filter(({ target }) => target.id === id);

const callerOf = ({ organization, user, session }: SignedIn): Caller =>
  callerIn({
    orgId: organization.id,
    userId: user.id,
    sessionId: session.id,
    mark: user.name,
  } as SeededTenant);

describe('over the cache', () => {
  conforms(() => ({
    store: cache,
    database: app.app.get(Database),
    references,
    caller: callerOf(admin),
    stranger: callerOf(other),
  }));
});

describe('a secret of a store that lies elsewhere', () => {
  it('is asked for once until its refresh, and every use of it is on the record', async () => {
    const secret = await keep('one');
    expect(await askedDuring(async () => expect(await use(secret)).toBe('one'))).toBe(1);
    expect(
      await askedDuring(async () => {
        for (let n = 0; n < 5; n += 1) expect(await use(secret)).toBe('one');
      }),
    ).toBe(0);
    const records = await usesOf(secret);
    expect(records).toHaveLength(6);
    expect(records.map(({ changes }) => changes.served?.to)).toEqual([undefined, ...Array(5).fill('cache')]);
    expect(new Set(records.map(({ changes }) => changes.digests.to.key))).toHaveLength(1);
    const rows = await app.sql('SELECT used_by FROM portcullis.secret_uses WHERE secret_id = $1', [
      secret.id,
    ]);
    expect(rows).toHaveLength(6);
  });

  it('is not given where its use cannot be recorded, though it is in memory', async () => {
    const secret = await keep('one');
    await use(secret);
    await app.sql('ALTER TABLE portcullis.secret_uses ADD CONSTRAINT no_more CHECK (false) NOT VALID');
    try {
      await expect(use(secret)).rejects.toThrow();
    } finally {
      await app.sql('ALTER TABLE portcullis.secret_uses DROP CONSTRAINT no_more');
    }
    expect(await use(secret)).toBe('one');
  });

  it('is asked for once, however many want it at the same moment, and each of them is on the record', async () => {
    const secret = await keep('one');
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    remote.delay = () => gate;
    const before = remote.asked;
    const all = Array.from({ length: 20 }, () => use(secret));
    await until(async () => remote.asked > before);
    open();
    expect(new Set(await Promise.all(all))).toEqual(new Set(['one']));
    expect(remote.asked - before).toBe(1);
    expect(await usesOf(secret)).toHaveLength(20);
  });

  it('is never another organization’s, whatever is in memory', async () => {
    const mine = await keep('mine', admin, 'same/path');
    await use(mine);
    const theirs = { ...mine, orgId: other.organization.id };
    await refused(use(theirs), 'secrets.not_found');
    const own = await keep('theirs', other, 'same/path');
    expect([await use(own), await use(mine), await use(own)]).toEqual(['theirs', 'mine', 'theirs']);
  });

  it('has the new value when a write through the product answers, and none when a deletion does', async () => {
    const secret = await keep('one');
    expect(await use(secret)).toBe('one');
    expectStatus(await app.post(`${secret.url}/versions`, { fields: { key: 'two' } }, secret.as), 201);
    expect(await use(secret)).toBe('two');
    expectStatus(await app.delete(secret.url, secret.as), 204);
    await refused(use(secret), 'secrets.deleted');
    expectStatus(await app.post(`${secret.url}/undelete`, {}, secret.as), 204);
    expect(await use(secret)).toBe('two');
    expectStatus(await app.post(`${secret.url}/destroy`, { versions: [2] }, secret.as), 204);
    await refused(use(secret), 'secrets.destroyed');
    expectStatus(await app.post(`${secret.url}/destroy`, {}, secret.as), 204);
    await refused(use(secret), 'secrets.not_found');
  });

  it('that was being asked for when it changed is not held', async () => {
    const secret = await keep('one');
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    remote.delay = () => gate;
    const before = remote.asked;
    const early = use(secret);
    await until(async () => remote.asked > before && (await usesOf(secret)).length > 0);
    remote.delay = () => Promise.resolve();
    expectStatus(await app.post(`${secret.url}/versions`, { fields: { key: 'two' } }, secret.as), 201);
    expect(await use(secret)).toBe('two');
    open();
    expect([await early, await use(secret)]).toEqual(['one', 'two']);
  });
});

describe('while the store is away', () => {
  const components = async () => {
    const { status, body } = await app.get('/health/ready');
    return { status, secrets: body.components.find(({ name }: { name: string }) => name === 'secrets') };
  };

  it('serves what it knows and says so, and nothing else; people with sessions go on', async () => {
    const [known, unknown] = [await keep('known'), await keep('unknown')];
    expect(await use(known, 'mail:x')).toBe('known');
    expect(await components()).toEqual({ status: 200, secrets: { name: 'secrets', state: 'ready' } });
    remote.away = true;
    expect(await use(known, 'mail:x')).toBe('known');
    expect((await usesOf(known)).at(-1)).toMatchObject({
      outcome: 'success',
      changes: { served: { to: 'stale' } },
    });
    expect(await components()).toMatchObject({ status: 200, secrets: { state: 'degraded' } });
    await refused(use(unknown, 'mail:x'), 'secrets.unavailable');
    expect(await components()).toMatchObject({ status: 200, secrets: { state: 'down' } });

    const answer = await app.post(`${known.url}/reveal`, {}, known.as);
    expectStatus(answer, 503, 'secrets.unavailable');
    expect(answer.headers['retry-after']).toBe('1');
    expectStatus(await app.get(`/orgs/${known.orgId}`, known.as), 200);
    expectStatus(await app.get('/auth/me', known.as), 200);
    const anew = await app.signIn(owner, 'acme');
    expectStatus(await app.post('/auth/refresh', { refreshToken: anew.refreshToken }), 200);

    remote.away = false;
    expect(await use(unknown, 'mail:x')).toBe('unknown');
    expect(await components()).toMatchObject({ status: 200, secrets: { state: 'ready' } });
  });

  it('serves nothing that it cannot know to be unchanged', async () => {
    const secret = await keep('known');
    await use(secret, 'mail:x');
    remote.away = true;
    // As a process that was stopped and cut off finds itself.
    cache.lapsed();
    await refused(use(secret, 'mail:x'), 'secrets.unavailable');
  });
});
