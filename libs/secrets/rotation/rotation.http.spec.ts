import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AppInProcess, expectStatus, owner, startApp, until } from '../../../test/kit/app-in-process.ts';
import { newId } from '#kernel';
import { MasterKey } from '../master-key.ts';
import { SecretReferences } from '../references.ts';
import { MasterKeyRotation } from './master-key-rotation.ts';
import { shortLived, wrappedColumns } from './wrapped-columns.ts';

const [oldKey, newKey] = [randomBytes(32), randomBytes(32)];
const masterKey = new MasterKey(newKey, oldKey);
let app: AppInProcess;

beforeAll(async () => {
  // Set up under the old key, as a process that was started with both finds it.
  masterKey.establish(new MasterKey(oldKey).checkValue);
  app = await startApp({ masterKey });
});
afterAll(() => app.close());

/** What every process does first. */
const opens = (key: MasterKey): Promise<void> => app.openWith(key);

const wrappedNow = async (): Promise<Record<string, string>> => {
  const found: Record<string, string> = {};
  for (const { table, column, context } of wrappedColumns) {
    const rows = await app.sql(
      `SELECT ${context} AS context, ${column} AS wrapped FROM portcullis.${table} WHERE ${column} <> ''`,
    );
    for (const row of rows) found[row['context'] as string] = row['wrapped'] as string;
  }
  return found;
};
const ciphertexts = () => app.sql('SELECT secret_id, version, ciphertext FROM portcullis.secret_versions');

describe('the master key', () => {
  it('is asked of a process before anything is written, and a wrong one stops it', async () => {
    const state = async () =>
      JSON.stringify([
        await app.sql('SELECT * FROM portcullis.deployment'),
        await app.sql('SELECT count(*) FROM portcullis.audit_events'),
      ]);
    const before = await state();
    await expect(opens(new MasterKey(newKey))).rejects.toThrow('not the one this database was set up with');
    await expect(opens(new MasterKey(newKey, randomBytes(32)))).rejects.toThrow('not the one');
    await expect(opens(new MasterKey(randomBytes(32)))).rejects.toThrow('not the one');
    await opens(new MasterKey(oldKey));
    expect(await state()).toBe(before);
  });

  it('takes over in one step, and no secret is encrypted anew', async () => {
    const admin = await app.signIn(owner, 'acme');
    const as = { token: admin.accessToken };
    const orgId = admin.organization.id;
    const fields = { key: 'canary-value' };
    expectStatus(await app.post(`/orgs/${orgId}/secrets`, { path: 'a/b', fields }, as), 201);
    const { key } = await app.apiKey(admin, { permissions: ['org:read'] });
    const before = { sealed: await ciphertexts(), wrapped: await wrappedNow() };
    // Staged: what is wrapped now opens for a process that has only the old key.
    expect(masterKey.isStaged).toBe(true);
    for (const [context, wrapped] of Object.entries(before.wrapped))
      expect(new MasterKey(oldKey).unwrap(wrapped, context).length).toBeGreaterThan(0);

    const operator = await app.signIn(owner, 'platform');
    const rewrap = async () =>
      expectStatus(
        await app.ask('POST', '/platform/master-key/rewrap', { token: operator.accessToken }),
        200,
      );
    expect(await rewrap()).toMatchObject({ changed: true, orgKeys: 1, keyPeppers: 1 });
    expect(masterKey.isStaged).toBe(false);
    expect(await rewrap()).toEqual({
      changed: false,
      orgKeys: 0,
      signingKeys: 0,
      keyPeppers: 0,
      auditKeys: 0,
      rollouts: 0,
      factors: 0,
      unreadable: 0,
    });
    // That the key took over, and what each transaction wrapped.
    const records = await app.records(operator.organization.id, 'master_key.rewrapped');
    const counted = (name: string) => records.reduce((sum, { changes }) => sum + changes[name].to, 0);
    expect([counted('orgKeys'), counted('keyPeppers')]).toEqual([1, 1]);

    const after = { sealed: await ciphertexts(), wrapped: await wrappedNow() };
    expect(after.sealed).toEqual(before.sealed);
    expect(Object.keys(after.wrapped).length).toBe(Object.keys(before.wrapped).length + 1);
    for (const [context, wrapped] of Object.entries(after.wrapped)) {
      const opened = new MasterKey(newKey).unwrap(wrapped, context);
      const was = before.wrapped[context];
      const expected = was
        ? new MasterKey(oldKey).unwrap(was, context)
        : new MasterKey(oldKey).derive('api-keys');
      expect(opened.equals(expected)).toBe(true);
    }
    await opens(new MasterKey(newKey));
    await expect(opens(new MasterKey(oldKey))).rejects.toThrow('not the one');

    expectStatus(await app.get(`/orgs/${orgId}`, { token: key }), 200);
    const made = await app.apiKey(admin, { permissions: ['org:read'] });
    expectStatus(await app.get(`/orgs/${orgId}`, { token: made.key }), 200);
    const secret = await app.app.get(SecretReferences).resolve(orgId, 'secret://a/b#key', 'sink:x');
    expect(secret.reveal()).toBe('canary-value');
  });

  it('wraps anew what a process wrapped by the old one at that very moment', async () => {
    const [key] = await app.sql('SELECT org_id, id, wrapped_key FROM portcullis.org_keys');
    const context = `org_key:${key?.['org_id']}:${key?.['id']}`;
    const late = new MasterKey(oldKey).wrap(masterKey.unwrap(key?.['wrapped_key'], context), context);
    await app.change('UPDATE portcullis.org_keys SET wrapped_key = $1', [late]);
    const operator = await app.signIn(owner, 'platform');
    const ask = { token: operator.accessToken };
    const done = expectStatus(await app.ask('POST', '/platform/master-key/rewrap', ask), 200);
    expect(done).toMatchObject({ changed: true, orgKeys: 1, signingKeys: 0 });
  });

  it('goes on where it stood after a failure, in bounded steps, and passes over what was damaged', async () => {
    const operator = await app.signIn(owner, 'platform');
    const ask = { token: operator.accessToken };
    const userId = newId();
    await app.change(`INSERT INTO portcullis.users (id, email, name) VALUES ($1, 'f@x.example', 'F')`, [
      userId,
    ]);
    const old = new MasterKey(oldKey);
    const ids = Array.from({ length: 1_100 }, () => newId());
    const wrapped = ids.map((id, n) => (n === 7 ? 'damaged' : old.wrap(Buffer.from(id), `totp:${id}`)));
    await app.change(
      `INSERT INTO portcullis.factors (id, user_id, kind, name, wrapped_secret, last_step)
       SELECT id, $3, 'totp', id, wrapped, 0 FROM unnest($1::uuid[], $2::text[]) AS f(id, wrapped)`,
      [ids, wrapped, userId],
    );
    const remaining = async (): Promise<number> => {
      const like = new MasterKey(newKey).wrap(Buffer.from('x'), '').split('.')[0] as string;
      const [row] = await app.sql(
        'SELECT count(*)::int AS left FROM portcullis.factors WHERE NOT starts_with(wrapped_secret, $1)',
        [`${like}.`],
      );
      return row?.['left'];
    };
    // The second step fails, as where the process dies in it.
    const last = [...ids].sort()[700];
    await app.sql(
      `ALTER TABLE portcullis.factors ADD CONSTRAINT stop CHECK (id <> '${last}' OR name = 'x') NOT VALID`,
    );
    const failed = await app.ask('POST', '/platform/master-key/rewrap', ask);
    expect([failed.status, await remaining()]).toEqual([409, 601]);
    await app.sql('ALTER TABLE portcullis.factors DROP CONSTRAINT stop');
    const done = expectStatus(await app.ask('POST', '/platform/master-key/rewrap', ask), 200);
    expect(done).toMatchObject({ changed: true, factors: 600, unreadable: 1 });
    const again = expectStatus(await app.ask('POST', '/platform/master-key/rewrap', ask), 200);
    expect(again).toMatchObject({ changed: false, factors: 0, unreadable: 1 });
    expect(await remaining()).toBe(1);
    const rows = await app.sql('SELECT id, wrapped_secret FROM portcullis.factors WHERE id = $1', [last]);
    expect(new MasterKey(newKey).unwrap(rows[0]?.['wrapped_secret'], `totp:${last}`).toString()).toBe(last);
    await app.change('DELETE FROM portcullis.factors WHERE id = ANY($1)', [ids]);
  });

  it('that has missed the news asks for it when its lease has lapsed', async () => {
    masterKey.establish(new MasterKey(oldKey).checkValue);
    app.app.get(MasterKeyRotation).lapsed();
    await until(async () => !masterKey.isStaged);
    expect(masterKey.checkValue).toBe(new MasterKey(newKey).checkValue);
  });

  it('wraps nothing that a rotation does not know', async () => {
    const columns = await app.sql(
      `SELECT table_name || '.' || column_name AS name FROM information_schema.columns
        WHERE table_schema = 'portcullis' AND (column_name LIKE 'wrapped%' OR column_name LIKE 'sealed%') ORDER BY 1`,
    );
    const known = [
      ...wrappedColumns.map(({ table, column }) => `${table}.${column}`),
      ...Object.keys(shortLived),
    ];
    expect(columns.map(({ name }) => name as string)).toEqual(known.sort());
    expect(columns.length).toBeGreaterThan(5);
  });
});
