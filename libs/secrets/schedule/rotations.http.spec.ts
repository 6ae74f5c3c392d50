import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
  until,
} from '../../../test/kit/app-in-process.ts';
import { accept, answer, HttpReceiver, type Received } from '../../../test/kit/http-receiver.ts';
import { SecretReferences } from '../references.ts';
import { RotationWork } from './rotation-work.ts';
import { rotationQueue } from './rotation-queues.ts';

let app: AppInProcess;
let admin: SignedIn;
let receiver: HttpReceiver;
let work: RotationWork;

beforeAll(async () => {
  receiver = await HttpReceiver.start();
  app = await startApp({ worker: true, egressAllow: ['127.0.0.0/8'] });
  admin = await app.signIn(owner, 'acme');
  work = app.app.get(RotationWork);
  expectStatus(await ask('POST', '', { path: 'hooks/key', fields: { hmac: 'the-key-of-hooks' } }), 201);
});
afterAll(async () => {
  await app.close();
  await receiver.stop();
});
beforeEach(() => {
  receiver.behaviour = accept;
  receiver.requests.length = 0;
});

const ask = (method: string, path: string, body?: unknown): Promise<Answered> =>
  app.ask(method, `/orgs/${admin.organization.id}/secrets${path}`, {
    token: admin.accessToken,
    ...(body !== undefined && { body }),
  });

let made = 0;
async function keep(settings: Record<string, unknown> = {}): Promise<{ id: string; path: string }> {
  const path = `rotated/${(made += 1)}`;
  const fields = { password: 'by-hand', user: 'app' };
  const { id } = expectStatus(await ask('POST', '', { path, fields, ...settings }), 201);
  return { id, path };
}
const set = async (id: string, more: Record<string, unknown> = {}) =>
  expectStatus(await ask('PUT', `/${id}/rotation`, { field: 'password', overlapSeconds: 600, ...more }), 200);
const read = async (id: string) => expectStatus(await ask('GET', `/${id}/rotation`), 200);
const rotate = async (id: string) => expectStatus(await ask('POST', `/${id}/rotate`), 202);
const runIs = (id: string, state: string) =>
  until(async () => {
    const [run] = (await read(id)).runs;
    return run.state === state && (state !== 'rotated' || run.retireAt !== undefined) && run;
  });
const resolve = async (path: string, field = 'password', version?: number) =>
  (
    await app.app
      .get(SecretReferences)
      .resolve(admin.organization.id, `secret://${path}#${field}${version ? `@${version}` : ''}`, 'sink:x')
  ).reveal();
const hook = () => ({ url: `${receiver.url}/rotations`, hmacKey: 'secret://hooks/key#hmac' });
const look = () => work.lookForDue(undefined, { id: 'due', attempt: 0 });
const recordsOf = async (id: string) =>
  (await app.records(admin.organization.id)).filter(({ target }) => target.id === id);
const actionsOf = async (id: string): Promise<string[]> => (await recordsOf(id)).map(({ action }) => action);

describe('a rotation', () => {
  it('writes one field anew; both versions are valid until the overlap is over, then the new one alone', async () => {
    const { id, path } = await keep({ maxVersions: 1 });
    await set(id, { length: 24, alphabet: 'hex' });
    const run = await rotate(id);
    expect(await runIs(id, 'rotated')).toMatchObject({ id: run.id, fromVersion: 1, toVersion: 2 });
    const value = await resolve(path);
    expect(value).toMatch(/^[0-9a-f]{24}$/);
    expect([await resolve(path, 'user'), await resolve(path, 'password', 1)]).toEqual(['app', 'by-hand']);
    await look();
    expect(await resolve(path, 'password', 1)).toBe('by-hand');

    await app.change(`UPDATE portcullis.secret_rotation_runs SET retire_at = now() WHERE id = $1`, [run.id]);
    await look();
    expect(await runIs(id, 'ended')).toMatchObject({ toVersion: 2 });
    await expect(resolve(path, 'password', 1)).rejects.toMatchObject({ code: 'secrets.deleted' });
    expect(await resolve(path)).toBe(value);
    expect((await actionsOf(id)).filter((action) => /rotat/.test(action))).toEqual([
      'secret.rotation_set',
      'secret.rotation_started',
      'secret.rotated',
      'secret.rotation_ended',
    ]);
    const found = expectStatus(await ask('POST', '/search-digest', { value }), 200);
    expect(found.items).toMatchObject([{ secretId: id, version: 2, field: 'password' }]);
  });

  it('is done when it is due, by one process however many look, and not before', async () => {
    const { id } = await keep();
    await set(id, { everySeconds: 3_600 });
    await look();
    expect((await read(id)).runs).toEqual([]);
    const due = `UPDATE portcullis.secret_rotations SET next_at = now() - interval '1 s' WHERE secret_id = $1`;
    await app.change(due, [id]);
    await Promise.all([look(), look(), look()]);
    await runIs(id, 'rotated');
    const { runs, nextAt } = await read(id);
    expect(runs).toHaveLength(1);
    expect(Date.parse(nextAt)).toBeGreaterThan(Date.now() + 3_000_000);
  });

  it('is started once at a time', async () => {
    const { id } = await keep();
    await set(id, { hook: hook() });
    let open: () => void = () => undefined;
    const gate = new Promise<void>((done) => (open = done));
    receiver.behaviour = async (request, response) => {
      await gate;
      await accept(request, response);
    };
    await rotate(id);
    expectStatus(await ask('POST', `/${id}/rotate`), 409, 'secrets.rotation_running');
    open();
    await runIs(id, 'rotated');
    await rotate(id);
    await runIs(id, 'rotated');
    expect((await read(id)).runs).toHaveLength(2);
  });

  it('asks before and tells after, signed, without any value', async () => {
    const { id, path } = await keep();
    await set(id, { hook: hook() });
    const run = await rotate(id);
    await runIs(id, 'rotated');
    expect(receiver.requests.map(({ body }) => JSON.parse(body).type)).toEqual([
      'secret.rotation.before',
      'secret.rotation.after',
    ]);
    const after = JSON.parse(receiver.requests[1]!.body);
    expect(after.data).toMatchObject({ runId: run.id, secretId: id, fromVersion: 1, toVersion: 2 });
    for (const request of receiver.requests) {
      expect(signatureOf(request)).toBe(request.headers['webhook-signature']);
      expect(request.body).not.toContain(await resolve(path));
      expect(request.body).not.toContain('by-hand');
    }
    expect(receiver.requests.map(({ headers }) => headers['webhook-id'])).toEqual([
      `${run.id}_before`,
      `${run.id}_after`,
    ]);
  });

  it('leaves the version before valid where its hook refuses, and says so on the record', async () => {
    const { id, path } = await keep();
    await set(id, { hook: hook() });
    receiver.behaviour = answer(500);
    const run = await rotate(id);
    await until(async () => receiver.requests.length > 0);
    // The last attempt, without waiting for those between.
    const job = { orgId: admin.organization.id, runId: run.id };
    const last = work.run(job, { id: 'job', attempt: rotationQueue.settings.retries });
    await expect(last).rejects.toMatchObject({ code: 'http_500', final: true });
    expect(await runIs(id, 'failed')).toMatchObject({ failure: 'http_500' });
    expect(await resolve(path)).toBe('by-hand');
    expect((await recordsOf(id)).find(({ action }) => action === 'secret.rotation_failed')).toMatchObject({
      outcome: 'failure',
      reason: 'http_500',
    });
    receiver.behaviour = accept;
    await rotate(id);
    await runIs(id, 'rotated');
  });

  it('deletes no version where nobody has taken the news of the new one', async () => {
    const { id, path } = await keep();
    await set(id, { hook: hook(), overlapSeconds: 0 });
    receiver.behaviour = (request, response) =>
      (request.body.includes('rotation.after') ? answer(503) : accept)(request, response);
    const run = await rotate(id);
    await until(async () => receiver.requests.length > 1);
    const job = { orgId: admin.organization.id, runId: run.id };
    await look();
    expect([await resolve(path, 'password', 1), (await read(id)).runs[0].state]).toEqual([
      'by-hand',
      'rotated',
    ]);
    const last = work.run(job, { id: 'job', attempt: rotationQueue.settings.retries });
    await expect(last).rejects.toMatchObject({ code: 'http_503' });
    await look();
    expect(await resolve(path, 'password', 1)).toBe('by-hand');
    expect(await runIs(id, 'failed')).toMatchObject({ toVersion: 2 });
  });

  it('that is run again after it was cut off writes no second version', async () => {
    const { id, path } = await keep();
    await set(id);
    const run = await rotate(id);
    await runIs(id, 'rotated');
    const value = await resolve(path);
    const job = { orgId: admin.organization.id, runId: run.id };
    await Promise.all([1, 2, 3].map(() => work.run(job, { id: 'job', attempt: 1 })));
    expect(await resolve(path)).toBe(value);
    expect((await actionsOf(id)).filter((action) => action === 'secret.rotated')).toHaveLength(1);
  });

  it('writes one version where two processes run it at the same moment', async () => {
    const { id, path } = await keep();
    await set(id);
    // A run that no job was made for.
    const runId = '01900000-0000-7000-8000-000000000001';
    await app.change(
      `INSERT INTO portcullis.secret_rotation_runs (org_id, id, secret_id) VALUES ($1, $2, $3)`,
      [admin.organization.id, runId, id],
    );
    const job = { orgId: admin.organization.id, runId };
    await Promise.allSettled([1, 2, 3, 4].map(() => work.run(job, { id: 'job', attempt: 0 })));
    const { versions } = expectStatus(await ask('GET', `/${id}`), 200);
    expect(versions.map(({ version }: { version: number }) => version)).toEqual([2, 1]);
    expect(await resolve(path)).not.toBe('by-hand');
  });

  it('ends for good where the secret is gone', async () => {
    const { id } = await keep();
    await set(id, { everySeconds: 3_600 });
    expectStatus(await ask('POST', `/${id}/destroy`, {}), 204);
    await rotate(id);
    await until(async () => (await ask('GET', `/${id}/rotation`)).status === 404);
    expect((await actionsOf(id)).slice(-2)).toEqual(['secret.rotation_failed', 'secret.rotation_removed']);
  });

  it('is refused where it makes no sense', async () => {
    const { id } = await keep();
    expectStatus(await ask('POST', `/${id}/rotate`), 404, 'secrets.no_rotation');
    const base = { field: 'password', overlapSeconds: 600 };
    for (const [body, path] of [
      [{ ...base, everySeconds: 300 }, 'overlapSeconds'],
      [{ ...base, field: '../x' }, 'field'],
      [{ ...base, hook: { url: 'ftp://x.example', hmacKey: 'secret://a#b' } }, 'hook.url'],
      [{ ...base, hook: { url: 'https://x.example', hmacKey: 'plain-key' } }, 'hook.hmacKey'],
      [{ ...base, length: 8 }, 'length'],
      [{ ...base, everySeconds: 10 }, 'everySeconds'],
    ] as const) {
      const refused = await ask('PUT', `/${id}/rotation`, body);
      expect([path, refused.status, refused.body.errors?.[0].path]).toEqual([path, 400, path]);
      expect(refused.raw.toString()).not.toContain('plain-key');
    }
    expectStatus(await ask('GET', '?format=plain'), 400, 'secrets.plain_refused');
    await set(id);
    expectStatus(await ask('DELETE', `/${id}/rotation`), 204);
    expectStatus(await ask('GET', `/${id}/rotation`), 404, 'secrets.no_rotation');
  });
});

function signatureOf({ headers, body }: Received): string {
  const content = `${headers['webhook-id'] as string}.${headers['webhook-timestamp'] as string}.${body}`;
  return `v1,${createHmac('sha256', 'the-key-of-hooks').update(content).digest('base64')}`;
}
