import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { conforms, type StoreUnderTest } from '../../../test/kit/store-conformance.ts';
import { type AppInProcess, startApp } from '../../../test/kit/app-in-process.ts';
import { callerIn, seedTenant } from '../../../test/kit/tenants.ts';
import { Database } from '#database';
import { DEPLOYMENT, SecretReferences } from '../references.ts';
import { SecretStore } from '../secret-store.ts';

let app: AppInProcess;
let under: StoreUnderTest;

beforeAll(async () => {
  app = await startApp();
  const [one, other] = [await seedTenant(app.database.adminUrl), await seedTenant(app.database.adminUrl)];
  // What the seed put there no key opens.
  await app.change('DELETE FROM portcullis.secrets');
  await app.change('DELETE FROM portcullis.org_keys');
  const [store, references] = [app.app.get(SecretStore), app.app.get(SecretReferences)];
  under = {
    store,
    database: app.app.get(Database),
    references,
    caller: callerIn(one),
    stranger: callerIn(other),
  };
});
afterAll(() => app.close());

conforms(() => under);

const settings = { description: '', tags: {}, maxVersions: 10, casRequired: false };

/** What a secret's row says, moved by somebody who can write to the database. */
async function vandalize(sql: string, values: unknown[]): Promise<void> {
  await app.sql(`BEGIN; SET session_replication_role = replica; ${literal(sql, values)}; COMMIT`);
}

function literal(sql: string, values: unknown[]): string {
  return values.reduce<string>(
    (text, value, index) => text.replaceAll(`$${index + 1}`, `'${String(value)}'`),
    sql,
  );
}

describe('the embedded store', () => {
  it.each([
    ['another version', 'UPDATE portcullis.secret_versions SET version = 5 WHERE secret_id = $1', 5],
    ['another path', `UPDATE portcullis.secrets SET path = 'moved/' || path WHERE id = $1`, undefined],
    [
      'an altered byte',
      `UPDATE portcullis.secret_versions
          SET ciphertext = set_byte(ciphertext, 14, get_byte(ciphertext, 14) # 1) WHERE secret_id = $1`,
      undefined,
    ],
    [
      'a cut ciphertext',
      `UPDATE portcullis.secret_versions SET ciphertext = substr(ciphertext, 1, 20) WHERE secret_id = $1`,
      undefined,
    ],
    [
      'another organization',
      `UPDATE portcullis.secrets SET org_id = $2 WHERE id = $1;
       UPDATE portcullis.secret_versions SET org_id = $2,
              key_id = (SELECT id FROM portcullis.org_keys WHERE org_id = $2) WHERE secret_id = $1`,
      undefined,
    ],
    [
      'another organization with its key',
      `UPDATE portcullis.secrets SET org_id = $2 WHERE id = $1;
       UPDATE portcullis.secret_versions SET org_id = $2 WHERE secret_id = $1;
       UPDATE portcullis.org_keys SET wrapped_key = (SELECT wrapped_key FROM portcullis.org_keys WHERE org_id = $3),
              id = (SELECT id FROM portcullis.org_keys WHERE org_id = $3) WHERE org_id = $2`,
      undefined,
    ],
  ])('does not open a row that was given %s', async (what, sql, version) => {
    const { store, caller, stranger } = under;
    const made = await store.create(caller, `bound/${what.replaceAll(' ', '-')}`, { n: 'canary' }, settings);
    const probe = await store.create(stranger, `probe/${made.id}`, { n: 'theirs' }, settings);
    const [before] = await app.sql('SELECT id, wrapped_key FROM portcullis.org_keys WHERE org_id = $1', [
      stranger.org.id,
    ]);
    const moved = what.startsWith('another organization') ? stranger : caller;
    expect((await store.reveal(caller, { id: made.id })).version).toBe(1);
    const drop = sql.includes('wrapped_key')
      ? 'ALTER TABLE portcullis.org_keys DROP CONSTRAINT org_keys_id_key;'
      : '';
    await vandalize(drop + sql, [made.id, stranger.org.id, caller.org.id]);
    await expect(store.reveal(moved, { id: made.id }, version)).rejects.toMatchObject({
      code: 'secrets.unreadable',
    });
    const records = await app.records(moved.org.id, 'secret.revealed');
    expect(records.at(-1)).toMatchObject({ outcome: 'failure', reason: 'secrets.unreadable' });
    await vandalize('UPDATE portcullis.org_keys SET id = $1, wrapped_key = $2 WHERE org_id = $3', [
      before?.['id'],
      before?.['wrapped_key'],
      stranger.org.id,
    ]);
    expect((await store.reveal(stranger, { id: probe.id })).version).toBe(1);
  });

  it('resolves references for the product, each on the record', async () => {
    const references = app.app.get(SecretReferences);
    const { store, caller } = under;
    const { id } = await store.create(caller, 'sinks/siem', { token: 'canary-token' }, settings);
    const secret = await references.resolve(caller.org.id, 'secret://sinks/siem#token@1', 'sink:siem');
    expect(secret.reveal()).toBe('canary-token');
    expect((await app.records(caller.org.id, 'secret.resolved')).at(-1)).toMatchObject({
      actor: { type: 'system', id: 'sink:siem' },
      target: { type: 'secret', id },
      outcome: 'success',
      changes: { version: { to: 1 } },
    });
    const missing = references.resolve(caller.org.id, 'secret://sinks/none#token', 'sink:siem');
    await expect(missing).rejects.toMatchObject({ code: 'secrets.not_found' });
    expect((await app.records(caller.org.id, 'secret.resolved')).at(-1)).toMatchObject({
      outcome: 'failure',
      reason: 'secrets.not_found',
    });
    await expect(
      references.resolve(DEPLOYMENT, 'secret://sinks/siem#token', 'sink:siem'),
    ).rejects.toMatchObject({ code: 'secrets.not_found' });
  });
});
