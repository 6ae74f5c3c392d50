import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../test/kit/app-in-process.ts';

let app: AppInProcess;
let admin: SignedIn;
let made = 0;

beforeAll(async () => {
  app = await startApp();
});
beforeEach(async () => {
  admin = await app.signIn(owner, 'acme');
});
afterAll(() => app.close());

const as = ({ accessToken }: SignedIn): { token: string } => ({ token: accessToken });
const base = (): string => `/orgs/${admin.organization.id}/secrets`;
const fresh = (): string => `api/secret-${(made += 1)}`;
const create = async (fields: object, more: object = {}): Promise<{ id: string; path: string }> =>
  expectStatus(await app.post(base(), { path: fresh(), fields, ...more }, as(admin)), 201);
const reveal = (id: string, body: object = {}, who = admin): Promise<Answered> =>
  app.post(`${base()}/${id}/reveal`, body, as(who));

describe('secrets of an organization', () => {
  it('are created, versioned, revealed, deleted, brought back and destroyed', async () => {
    const { id, path } = await create({ user: 'app', password: 'one' }, { description: 'of the ledger' });
    const write = { fields: { password: 'two' }, cas: 1 };
    expect(
      expectStatus(await app.post(`${base()}/${id}/versions`, write, as(admin)), 201).currentVersion,
    ).toBe(2);
    const lost = expectStatus(
      await app.post(`${base()}/${id}/versions`, write, as(admin)),
      409,
      'secrets.version_conflict',
    );
    expect(lost.data).toEqual({ currentVersion: 2 });

    const answer = await reveal(id);
    expect(expectStatus(answer, 200)).toEqual({ id, path, version: 2, fields: { password: 'two' } });
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(expectStatus(await reveal(id, { version: 1 }), 200).fields).toEqual({
      user: 'app',
      password: 'one',
    });

    const told = expectStatus(await app.get(`${base()}/${id}`, as(admin)), 200);
    expect(told).toMatchObject({
      path,
      description: 'of the ledger',
      currentVersion: 2,
      versions: [
        { version: 2, fields: ['password'] },
        { version: 1, fields: ['user', 'password'] },
      ],
    });

    expectStatus(await app.post(`${base()}/${id}/versions/delete`, { versions: [1] }, as(admin)), 204);
    expectStatus(await reveal(id, { version: 1 }), 404, 'secrets.deleted');
    expectStatus(await app.delete(`${base()}/${id}`, as(admin)), 204);
    expectStatus(await reveal(id), 404, 'secrets.deleted');
    expectStatus(await app.post(`${base()}/${id}/undelete`, {}, as(admin)), 204);
    expectStatus(await reveal(id), 200);
    expectStatus(await app.post(`${base()}/${id}/destroy`, { versions: [1] }, as(admin)), 204);
    expectStatus(await reveal(id, { version: 1 }), 404, 'secrets.destroyed');
    expectStatus(await app.post(`${base()}/${id}/destroy`, {}, as(admin)), 204);
    expectStatus(await reveal(id), 404, 'secrets.not_found');

    const actions = (await app.records(admin.organization.id))
      .filter(({ target }) => target.id === id)
      .map(({ action, outcome }) => `${action} ${outcome}`);
    expect(actions).toEqual([
      'secret.created success',
      'secret.written success',
      'secret.revealed success',
      'secret.revealed success',
      'secret.deleted success',
      'secret.revealed failure',
      'secret.deleted success',
      'secret.revealed failure',
      'secret.undeleted success',
      'secret.revealed success',
      'secret.destroyed success',
      'secret.revealed failure',
      'secret.destroyed success',
    ]);
  });

  it('are listed by path, page by page', async () => {
    const prefix = `list-${(made += 1)}`;
    for (const name of ['c', 'a', 'b'])
      expectStatus(
        await app.post(base(), { path: `${prefix}/${name}`, fields: { n: name } }, as(admin)),
        201,
      );
    const first = expectStatus(await app.get(`${base()}?prefix=${prefix}&limit=2`, as(admin)), 200);
    expect(first.items.map(({ path }: { path: string }) => path)).toEqual([`${prefix}/a`, `${prefix}/b`]);
    const rest = expectStatus(
      await app.get(`${base()}?prefix=${prefix}&limit=2&cursor=${first.next}`, as(admin)),
      200,
    );
    expect(rest).toEqual({ items: [expect.objectContaining({ path: `${prefix}/c` })] });
    expectStatus(await app.get(`${base()}?cursor=Li4vLi4`, as(admin)), 400, 'secrets.bad_path');
    expectStatus(await app.get(`${base()}?prefix=../x`, as(admin)), 400, 'secrets.bad_path');
  });

  it('are refused with what is wrong, which never repeats a value', async () => {
    const value = 'canary-refused-7741';
    const bad: [object, string][] = [
      [{ path: fresh(), fields: { [value + ' /']: 'x' } }, 'secrets.bad_fields'],
      [{ path: fresh(), fields: { key: { nested: value } } }, 'secrets.bad_fields'],
      [{ path: fresh(), fields: { key: value.repeat(4_000) } }, 'secrets.bad_fields'],
      [{ path: fresh(), fields: value }, 'http.invalid_input'],
      [{ path: `${value}/../x`, fields: { key: 'x' } }, 'secrets.bad_path'],
      [{ path: fresh(), fields: { key: 'x' }, tags: { t: { value } } }, 'secrets.bad_tags'],
    ];
    for (const [body, code] of bad) {
      const answer = await app.post(base(), body, as(admin));
      expectStatus(answer, 400, code);
      expect(answer.raw.toString()).not.toContain(value);
    }
  });

  it('are revealed only to who proved themselves just now, and to no key', async () => {
    const { id } = await create({ key: 'v' });
    const { key } = await app.apiKey(admin, { permissions: ['secret:reveal'] });
    expectStatus(await app.post(`${base()}/${id}/reveal`, {}, { token: key }), 403, 'auth.sessions_only');
    app.clock.advance(301_000);
    try {
      const { accessToken } = expectStatus(
        await app.post('/auth/refresh', { refreshToken: admin.refreshToken }),
        200,
      );
      const late = { token: accessToken };
      expectStatus(await app.post(`${base()}/${id}/reveal`, {}, late), 401, 'auth.step_up_required');
      expectStatus(await app.post(`${base()}/${id}/destroy`, {}, late), 401, 'auth.step_up_required');
      const search = { value: 'v' };
      expectStatus(await app.post(`${base()}/search-digest`, search, late), 401, 'auth.step_up_required');
    } finally {
      app.clock.reset();
    }
  });

  it('answer where a leaked value stood and who got it, after it was destroyed too', async () => {
    const value = 'canary-leaked-90210';
    const first = await create({ token: value, other: 'x' });
    const second = await create({ copy: value });
    const { requestId } = { requestId: (await reveal(first.id)).headers['x-request-id'] };
    expectStatus(await app.post(`${base()}/${first.id}/destroy`, {}, as(admin)), 204);
    const { items } = expectStatus(await app.post(`${base()}/search-digest`, { value }, as(admin)), 200);
    expect(items).toEqual([
      { secretId: second.id, path: second.path, version: 1, field: 'copy', uses: [] },
      {
        secretId: first.id,
        path: first.path,
        version: 1,
        field: 'token',
        uses: [
          {
            kind: 'revealed',
            usedBy: `user:${admin.user.id}`,
            requestId,
            at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
          },
        ],
      },
    ]);
    const nothing = await app.post(`${base()}/search-digest`, { value: `${value}!` }, as(admin));
    expect(expectStatus(nothing, 200)).toEqual({ items: [] });
    const records = await app.records(admin.organization.id);
    const revealed = records.find(
      ({ action, target }) => action === 'secret.revealed' && target.id === first.id,
    );
    const searched = records.filter(({ action }) => action === 'secret.searched');
    expect(searched.map(({ changes }) => changes.digest.to)).toContain(revealed.changes.digests.to.token);
    expect(records.map(({ leaf }) => leaf).join('\n')).not.toContain(value);
  });

  it('have digests that mean nothing in another organization', async () => {
    const value = 'canary-shared-value';
    await create({ key: value });
    const person = { email: `o${(made += 1)}@other.example`, name: 'O', password: 'slow green harbour 4 x' };
    const other = await app.addTenant(`other-${made}`, person);
    const path = `/orgs/${other.organization.id}/secrets`;
    expectStatus(await app.post(path, { path: 'a', fields: { key: value } }, as(other)), 201);
    const rows = await app.sql(`SELECT DISTINCT digest FROM portcullis.secret_digests WHERE field = 'key'`);
    const digests = rows.map(({ digest }) => digest as string);
    expect(new Set(digests).size).toBe(digests.length);
    const found = expectStatus(await app.post(`${path}/search-digest`, { value }, as(other)), 200);
    expect(found.items).toHaveLength(1);
  });

  it('are unreadable for ever once the organization is deleted, from a copy of its rows too', async () => {
    const person = { email: `d${(made += 1)}@gone.example`, name: 'D', password: 'slow green harbour 5 y' };
    const gone = await app.addTenant(`gone-${made}`, person);
    const path = `/orgs/${gone.organization.id}`;
    expectStatus(await app.post(`${path}/secrets`, { path: 'a', fields: { key: 'v' } }, as(gone)), 201);
    const [key] = await app.sql('SELECT id FROM portcullis.org_keys WHERE org_id = $1', [
      gone.organization.id,
    ]);
    expectStatus(await app.delete(path, as(gone)), 204);
    for (const table of ['org_keys', 'secrets', 'secret_versions', 'secret_digests', 'secret_uses']) {
      const rows = await app.sql(`SELECT 1 FROM portcullis.${table} WHERE org_id = $1`, [
        gone.organization.id,
      ]);
      expect([table, rows.length]).toEqual([table, 0]);
    }
    const platform = await app.signIn(owner, 'platform');
    const records = await app.records(platform.organization.id, 'org_key.destroyed');
    expect(records.map(({ target }) => target.id)).toContain(key?.['id']);
  });
});
