import { afterAll, beforeAll, expect, it } from 'vitest';
import { migrate, prepareDatabase } from '#database';
import { newId } from '#kernel';
import { migrations } from '../../../migrations/index.ts';
import { emptyDatabase, run } from '../../../test/kit/database.ts';

/** A deployment from before keys and peppers rotated: what it has goes on working. */
let database: Awaited<ReturnType<typeof emptyDatabase>>;

beforeAll(async () => {
  database = await emptyDatabase();
});
afterAll(() => database.drop());

it('an upgrade lets the newest key sign, the others verify, and leaves API keys under the derived pepper', async () => {
  const { owner } = await prepareDatabase(database.adminUrl);
  const before = migrations.filter(({ name }) => Number(name.slice(-13)) < 1763769600015);
  await migrate(owner, before);
  const [org, user, role] = [newId(), newId(), newId()];
  await run(
    owner,
    `SET search_path = portcullis;
     INSERT INTO organizations (id, slug, name, kind) VALUES ('${org}', 'acme', 'Acme', 'tenant');
     INSERT INTO users (id, email, name) VALUES ('${user}', 'a@acme.example', 'A');
     INSERT INTO roles (org_id, id, name) VALUES ('${org}', '${role}', 'r');
     INSERT INTO memberships (org_id, user_id, role_id) VALUES ('${org}', '${user}', '${role}');
     INSERT INTO api_keys (org_id, id, name, owner_id, digest, permissions)
       VALUES ('${org}', '${newId()}', 'k', '${user}', 'd', '{}');
     INSERT INTO signing_keys (kid, public_jwk, wrapped_private, created_at, retired_at) VALUES
       ('gone', '{}', 'w', now() - interval '3 days', now() - interval '2 days'),
       ('old', '{}', 'w', now() - interval '2 days', NULL),
       ('new', '{}', 'w', now() - interval '1 day', NULL)`,
  );
  await migrate(owner, migrations);
  const keys = await run(
    database.adminUrl,
    `SELECT kid, state, wrapped_private, signs_from IS NOT NULL AS has_signed, signs_until IS NOT NULL AS is_over
       FROM portcullis.signing_keys ORDER BY created_at`,
  );
  expect(keys).toEqual([
    { kid: 'gone', state: 'retired', wrapped_private: '', has_signed: true, is_over: true },
    { kid: 'old', state: 'retiring', wrapped_private: 'w', has_signed: true, is_over: true },
    { kid: 'new', state: 'current', wrapped_private: 'w', has_signed: true, is_over: false },
  ]);
  const apiKeys = await run(
    database.adminUrl,
    `SELECT k.digest, k.made_by_key_id, p.wrapped_pepper, p.retired_at
       FROM portcullis.api_keys k JOIN portcullis.key_peppers p ON p.id = k.pepper_id`,
  );
  expect(apiKeys).toEqual([{ digest: 'd', made_by_key_id: null, wrapped_pepper: null, retired_at: null }]);
});
