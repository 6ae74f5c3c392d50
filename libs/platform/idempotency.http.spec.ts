import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Harness, type Person } from '../../test/kit/harness.ts';

let harness: Harness;
let admin: Person;
let token: string;

beforeAll(async () => {
  harness = await Harness.start();
  admin = await harness.person(harness.tenant, 'admin');
  token = await harness.token(admin);
});
afterAll(() => harness.stop());

const path = () => `/api/v1/orgs/${harness.tenant.id}/service-accounts`;
const create = (name: string, key: string, by = token) =>
  harness.call('POST', path(), { token: by, body: { name }, headers: { 'idempotency-key': key } });

describe('a mutation with an Idempotency-Key', () => {
  it('is done once and answers the same again', async () => {
    const first = await create('robot', 'key-1');
    const again = await create('robot', 'key-1');
    expect(first.status).toBe(201);
    expect(again).toMatchObject({ status: 201, body: first.body });
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(first.headers['idempotent-replayed']).toBeUndefined();
    const { body } = await harness.call('GET', path(), { token });
    expect(body.items.filter((item: { name: string }) => item.name === 'robot')).toHaveLength(1);
  });

  it('answers a secret that is shown once again, and keeps it unreadable in the database', async () => {
    const keys = `/api/v1/orgs/${harness.tenant.id}/api-keys`;
    const call = () =>
      harness.call('POST', keys, {
        token,
        body: { name: 'siem', permissions: ['audit:export'] },
        headers: { 'idempotency-key': 'key-secret' },
      });
    const first = await call();
    expect((await call()).body.key).toBe(first.body.key);
    const rows = await harness.sql('SELECT wrapped_answer FROM portcullis.idempotency_keys');
    expect(JSON.stringify(rows)).not.toContain(first.body.key);
  });

  it('is refused when the key was used for another request', async () => {
    expect((await create('one', 'key-2')).status).toBe(201);
    expect(await create('two', 'key-2')).toMatchObject({
      status: 409,
      body: { code: 'http.idempotency_mismatch' },
    });
  });

  it('of two at once does one, and answers the other the same or not yet', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => create('twin', 'key-3')));
    const made = answers.filter(({ status }) => status === 201);
    expect(made.length).toBeGreaterThan(0);
    expect(new Set(made.map(({ body }) => body.id)).size).toBe(1);
    for (const { status, body } of answers.filter((answer) => answer.status !== 201)) {
      expect([status, body.code]).toEqual([409, 'http.idempotency_running']);
    }
  });

  it('may be repeated after a refusal, which changed nothing', async () => {
    expect((await create('', 'key-4')).status).toBe(400);
    expect((await create('robot', 'key-4')).body.code).toBe('org.service_account_exists');
    expect((await create('droid', 'key-4')).status).toBe(201);
  });

  it('belongs to its caller: the same key of another is another', async () => {
    const other = await harness.person(harness.tenant, 'admin');
    expect((await create('mine', 'key-5')).status).toBe(201);
    const theirs = await create('theirs', 'key-5', await harness.token(other));
    expect(theirs).toMatchObject({ status: 201, body: { name: 'theirs' } });
  });

  it('answers an empty answer again, also when the session ended with it', async () => {
    const person = await harness.person(harness.tenant, 'viewer');
    const own = await harness.token(person);
    const logout = () =>
      harness.call('POST', '/api/v1/auth/logout', { token: own, headers: { 'idempotency-key': 'key-6' } });
    expect((await logout()).status).toBe(204);
    expect((await logout()).status).toBe(401);
  });

  it('is refused with a key that no header should carry', async () => {
    expect(await create('x', 'k'.repeat(201))).toMatchObject({
      status: 400,
      body: { code: 'http.bad_idempotency_key', errors: [{ path: 'Idempotency-Key' }] },
    });
  });
});
