import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
  until,
} from '../../../test/kit/app-in-process.ts';
import { asRole, stateOf } from '../../../test/kit/sql.ts';
import { verifyExport } from '../../../test/system/verify-export.ts';

const mara = { email: 'mara@marker.example', name: 'Mara Marked', password: 'quiet river marked lantern 9' };
const from = { ip: '203.0.113.77', headers: { 'user-agent': 'Marked-Agent/7' } };
const marks = ['marker.example', mara.name, from.ip, from.headers['user-agent']];

let product: AppInProcess;
let admin: SignedIn;
let orgId = '';
let key = '';
let maraId = '';

beforeAll(async () => {
  product = await startApp({ worker: true });
  admin = await product.signIn(owner);
  orgId = admin.organization.id;
  ({ key } = await product.apiKey(admin, { permissions: ['audit:export', 'audit:read'] }));
  maraId = await live();
});
afterAll(() => product.close());

/** What leaves a person's data in a log: an invitation, sign-ins, refusals, changes by and of them. */
async function live(): Promise<string> {
  const as = { token: admin.accessToken };
  const invited = expectStatus(
    await product.post(`/orgs/${orgId}/invitations`, { email: mara.email, role: 'auditor' }, as),
    201,
  );
  const { name, password } = mara;
  const accepted = { token: invited.token, name, password };
  const { user } = expectStatus(await product.post('/auth/invitations/accept', accepted, from), 201);
  const session = await product.signIn(mara, undefined, from);
  const own = { ...from, token: session.accessToken };
  expectStatus(await product.get(`/orgs/${orgId}/members`, own), 200);
  expectStatus(await product.delete(`/orgs/${orgId}/members/${user.id}`, own), 403);
  const wrong = { email: mara.email, password: 'wrong' };
  expectStatus(await product.post('/auth/login', wrong, from), 401);
  expectStatus(
    await product.ask('PATCH', `/orgs/${orgId}/members/${user.id}`, { ...as, body: { role: 'viewer' } }),
    200,
  );
  expectStatus(await product.delete(`/orgs/${orgId}/members/${user.id}`, as), 204);
  return user.id as string;
}

const lines = async (query = '?limit=10000'): Promise<string[]> => {
  const answer = await product.get(`/orgs/${orgId}/audit/export${query}`, { token: key });
  expectStatus(answer, 200);
  return answer.raw.toString().split('\n').slice(0, -1);
};
const ask = (userId: string): Promise<Answered> =>
  product.post(`/orgs/${orgId}/audit/erasures`, { userId }, { token: admin.accessToken });
/** The erasure when it has ended. */
const ended = async (id: string) =>
  until(async () => {
    const path = `/orgs/${orgId}/audit/erasures/${id}`;
    const erasure = expectStatus(await product.get(path, { token: admin.accessToken }), 200);
    return erasure.endedAt !== undefined && erasure;
  });

describe('an erasure', () => {
  let before: string[] = [];
  let after: string[] = [];
  let erasure: { id: string; events: number; fields: number; state: string } = {
    id: '',
    events: 0,
    fields: 0,
    state: '',
  };

  beforeAll(async () => {
    before = await lines();
    for (const mark of marks) expect(before.join('\n'), mark).toContain(mark);
    erasure = await ended(expectStatus(await ask(maraId), 202).id);
    after = await lines();
  });

  it('leaves nothing of the person in the log', async () => {
    expect(erasure.state).toBe('completed');
    for (const mark of marks) expect(after.join('\n'), mark).not.toContain(mark);
    const rows = await product.sql('SELECT personal FROM portcullis.audit_events WHERE org_id = $1', [orgId]);
    const text = rows.map((row) => row['personal']).join('\n');
    for (const mark of marks) expect(text, mark).not.toContain(mark);
  });

  it('leaves what is of others', () => {
    const text = after.join('\n');
    expect(text).toContain(owner.name);
    expect(text).toContain('127.0.0.1');
    const changed = before.filter((line, i) => line !== after[i]);
    expect(changed.length).toBe(erasure.events);
    expect(changed.length).toBeLessThan(before.length);
  });

  it('leaves hashes, chain and root, and the export says erased', async () => {
    const [was, is] = [before, after].map((all) => all.map((line) => JSON.parse(line)));
    const kept = ({ personal: _, ...rest }: Record<string, unknown>) => rest;
    expect(is!.slice(0, was!.length).map(kept)).toEqual(was!.map(kept));
    const answer = await product.get(`/orgs/${orgId}/audit/export?limit=10000`, { token: key });
    const all = answer.raw.toString().split('\n').slice(0, -1);
    const expected = { treeSize: all.length, root: String(answer.headers['x-audit-root']) };
    const verdict = await verifyExport(all, new Map([[orgId, expected]]));
    expect(verdict.problems).toEqual([]);
    expect(verdict.orgs.get(orgId)!.erased).toBe(erasure.fields);
    for (const format of ['ocsf', 'ecs', 'cef', 'leef', 'cadf'])
      expect((await lines(`?limit=10000&format=${format}`)).length).toBe(all.length);
  });

  it('is recorded with the id of the person and counts, in the transaction that erased', async () => {
    const [requested] = await product.records(orgId, 'audit.erasure_requested');
    expect(requested).toMatchObject({ actor: { id: admin.user.id }, target: { type: 'user', id: maraId } });
    const erased = await product.records(orgId, 'audit.erased');
    expect(erased).toHaveLength(1);
    expect(erased[0]).toMatchObject({
      target: { type: 'user', id: maraId },
      changes: {
        erasure: { to: erasure.id },
        events: { to: erasure.events },
        fields: { to: erasure.fields },
      },
      personal: {},
    });
    const [record] = await product.records(orgId, 'audit.erasure_ended');
    expect(record).toMatchObject({ outcome: 'success', changes: { fields: { to: erasure.fields } } });
  });

  it('asked for again finds nothing more', async () => {
    const again = await ended(expectStatus(await ask(maraId), 202).id);
    expect(again).toMatchObject({ state: 'completed', events: 0, fields: 0 });
    expect((await product.records(orgId, 'audit.erased')).length).toBe(1);
  });

  it('goes in batches where a log is long, each with its record', async () => {
    const other = await product.addTenant('long', { ...owner, email: 'long@owner.example' });
    const id = other.organization.id;
    await product.sql(
      `BEGIN; SET LOCAL session_replication_role = replica;
       INSERT INTO portcullis.audit_events (org_id, id, leaf, personal, leaf_hash, time, action, outcome, actor_type,
              actor_id, target_type, target_id, xid, tx_time)
       SELECT '${id}', md5(n::text)::uuid, '{}', '{"actor.display":{"salt":"x","value":"Long"}}', '', now(),
              'org.updated', 'success', 'user', '${maraId}', 'organization', 'x', pg_current_xact_id(), now()
         FROM generate_series(1, 12000) n;
       INSERT INTO portcullis.audit_positions (org_id, pos, event_id, leaf_hash, prev_hash)
       SELECT '${id}', 100 + n, md5(n::text)::uuid, '', '' FROM generate_series(1, 12000) n; COMMIT`,
    );
    const token = other.accessToken;
    const path = `/orgs/${id}/audit/erasures`;
    const asked = expectStatus(await product.post(path, { userId: maraId }, { token }), 202);
    const done = await until(async () => {
      const now = expectStatus(await product.get(`${path}/${asked.id}`, { token }), 200);
      return now.endedAt !== undefined && now;
    });
    expect(done).toMatchObject({ state: 'completed', events: 12_000, fields: 12_000 });
    expect((await product.records(id, 'audit.erased')).map(({ changes }) => changes.events.to)).toEqual([
      5000 - 100,
      5000,
      2100,
    ]);
    const list = expectStatus(await product.get(path, { token }), 200);
    expect(list.items.map((one: { id: string }) => one.id)).toEqual([asked.id]);
  });

  it('is for those who may, and asks them to prove themselves again', async () => {
    const reader = await product.apiKey(admin, { permissions: ['audit:read'] });
    const path = `/orgs/${orgId}/audit/erasures`;
    expectStatus(await product.post(path, { userId: maraId }, { token: reader.key }), 403, 'access.denied');
    product.clock.advance(301_000);
    const { refreshToken } = admin;
    const { accessToken } = expectStatus(await product.post('/auth/refresh', { refreshToken }), 200);
    const late = await product.post(path, { userId: maraId }, { token: accessToken });
    expectStatus(late, 401, 'auth.step_up_required');
    product.clock.reset();
  });
});

describe('the database', () => {
  const APPEND_ONLY = 'PC002';
  const erase = `SELECT * FROM audit_erase($1, $2, '{}', 0, 1000)`;
  const freed = async (): Promise<void> => {
    // Something to erase: the owner's own values.
    await product.signIn(owner);
  };
  const state = (url: string, sql: string, values: unknown[] = []): Promise<string> =>
    asRole(url, (query) => stateOf(query, () => query(sql, values)));

  it('lets nobody but the function change what is personal', async () => {
    await freed();
    const { app, system, owner: schemaOwner } = product.database.urls;
    const sql = `UPDATE audit_events SET personal = regexp_replace(personal, '\\{"salt[^}]*\\}', '"erased"', 'g')
                  WHERE org_id = '${orgId}' AND personal <> '{}'`;
    expect(await state(app, sql)).toBe('42501');
    expect(await state(system, sql)).toBe('42501');
    expect(await state(schemaOwner, sql)).toBe(APPEND_ONLY);
    expect(await state(product.database.adminUrl, sql)).toBe(APPEND_ONLY);
    expect(await state(app, erase, [orgId, admin.user.id])).toBe('42501');
  });

  it('lets the function erase only with the record of it', async () => {
    await freed();
    expect(await state(product.database.urls.system, erase, [orgId, admin.user.id])).toBe('PC001');
  });

  it('lets a function of the same name in another schema do nothing', async () => {
    await freed();
    const made = `CREATE SCHEMA fake; CREATE FUNCTION fake.audit_erase() RETURNS void LANGUAGE plpgsql AS $$
      BEGIN UPDATE portcullis.audit_events SET personal = '{}' WHERE personal <> '{}'; END $$`;
    await product.sql(made);
    expect(await state(product.database.adminUrl, 'SELECT fake.audit_erase()')).toBe(APPEND_ONLY);
    await product.sql('DROP SCHEMA fake CASCADE');
  });

  it('lets even the function change no other value than to erased', async () => {
    await freed();
    const tries = [`'{}'`, `'{"actor.display":"Somebody"}'`, `replace(personal, 'salt', 'sold')`];
    for (const to of tries) {
      const end = await asRole(product.database.adminUrl, async (query) => {
        await query('BEGIN');
        await query('ALTER TABLE audit_events DISABLE TRIGGER append_only');
        const found = await stateOf(query, () =>
          query(`UPDATE audit_events SET personal = ${to} WHERE personal LIKE '{"actor.display":{"salt"%'`),
        );
        await query('ROLLBACK').catch(() => undefined);
        return found;
      });
      expect(end, to).toBe(APPEND_ONLY);
    }
  });
});
