import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import { until } from '../kit/app-in-process.ts';
import { expectAnswer } from '../kit/client.ts';
import { emptyDatabase, run, type TestDatabase } from '../kit/database.ts';
import { accept, HttpReceiver } from '../kit/http-receiver.ts';
import { type Account, addMember, setUp, signIn } from '../kit/tenancy.ts';

/**
 * Processes are killed while rollouts of ten steps run. Whatever the moment, each ends in a state that is right, and no
 * step that may not be repeated was begun twice.
 */
const STEPS = 10;
const ENDS = ['verifying', 'failed_needs_operator'];

let database: Omit<TestDatabase, 'urls'>;
let receiver: HttpReceiver;
const products: Product[] = [];
let api: Product;
let worker: Product;
let account: { author: Account; approver: Account };
let token = { author: '', approver: '' };
let orgId = '';
let policyId = '';

const env = { PORTCULLIS_EGRESS_ALLOW: '127.0.0.0/8' };

async function start(role: 'api' | 'worker'): Promise<Product> {
  const dataDir = products[0]?.dataDir;
  const made = await startProduct({
    role,
    env,
    databaseUrl: database.adminUrl,
    ...(dataDir !== undefined && { dataDir }),
  });
  products.push(made);
  return made;
}

beforeAll(async () => {
  database = await emptyDatabase();
  receiver = await HttpReceiver.start();
  api = await start('api');
  const ownerAccount = await setUp(api);
  worker = await start('worker');
  const owner = await signIn(api, ownerAccount, 'acme');
  orgId = owner.organization.id;
  account = { author: ownerAccount, approver: await addMember(api, owner, 'approver', 'admin') };
  await signInAll();
  const policy = { name: 'one', quorum: { anyOf: [{ allOf: [{ count: 1 }] }] } };
  policyId = (await ask('POST', '/rollout-policies', policy, 201)).id;
});
afterAll(async () => {
  await disposeAll(products);
  await receiver.stop();
  await database.drop();
});

async function signInAll(): Promise<void> {
  const [author, approver] = [
    await signIn(api, account.author, 'acme'),
    await signIn(api, account.approver, 'acme'),
  ];
  token = { author: author.accessToken, approver: approver.accessToken };
}

async function ask(
  method: string,
  path: string,
  body: unknown,
  status: number,
  who: keyof typeof token = 'author',
) {
  return expectAnswer(
    await api.api.call(method, `/orgs/${orgId}${path}`, body, { token: token[who] }),
    status,
  );
}

/** Signed off and armed: ten steps that say in their path which rollout and which step they are. */
async function armed(nth: number, command: (step: number) => 'http.post' | 'http.put'): Promise<string> {
  const name = `target ${randomUUID()}`;
  const target = await ask('POST', '/rollout-targets', { name, kind: 'host', environment: 'test' }, 201);
  const report = { state: 'sha256:as-it-was', observedAt: new Date().toISOString(), ttlSeconds: 3600 };
  await ask('PUT', `/rollout-targets/${target.id}/state`, report, 200);
  const { id } = await ask('POST', '/rollouts', { title: `rollout ${nth}`, policyId }, 201);
  const steps = Array.from({ length: STEPS }, (_, step) => ({
    name: `step ${step}`,
    command: command(step),
    arguments: { url: `${receiver.url}/${nth}/${step}` },
  }));
  const recovery = { kind: 'rollback', steps: [{ name: 'back', command: 'noop.record' }] };
  const plan = { environment: 'test', targets: [target.id], steps, recovery };
  const planned = await ask('PUT', `/rollouts/${id}/plan`, plan, 200);
  await ask('POST', `/rollouts/${id}/review`, undefined, 200);
  const signed = { digest: planned.digest, decision: 'approve' };
  await ask('POST', `/rollouts/${id}/sign-offs`, signed, 200, 'approver');
  await ask('POST', `/rollouts/${id}/arm`, undefined, 200);
  return id;
}
const execute = (id: string) =>
  api.api.post(`/orgs/${orgId}/rollouts/${id}/execute`, undefined, { token: token.author });

const read = (id: string) => ask('GET', `/rollouts/${id}`, undefined, 200);
const ended = (id: string, states: readonly string[] = ENDS) =>
  until(async () => {
    const now = await read(id);
    return states.includes(now.state) && now;
  });
/** How often each path was asked. */
function counted(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { path } of receiver.requests) counts.set(path, (counts.get(path) ?? 0) + 1);
  return counts;
}

/** Rollout n hangs at its step n; all of them at once, so that one kill meets every boundary. */
async function killedAtEveryBoundary(command: 'http.post' | 'http.put'): Promise<string[]> {
  receiver.requests.length = 0;
  let hanging = true;
  receiver.behaviour = (request, response) => {
    const [, nth, step] = request.path.split('/');
    if (hanging && nth === step) return;
    void accept(request, response);
  };
  await signInAll();
  const ids: string[] = [];
  for (let nth = 0; nth < STEPS; nth += 1) ids.push(await armed(nth, () => command));
  for (const id of ids) expectAnswer(await execute(id), 200);
  const waits = Array.from({ length: STEPS }, (_, nth) => `/${nth}/${nth}`);
  await until(async () => waits.every((path) => counted().has(path)));
  await worker.kill9();
  hanging = false;
  worker = await start('worker');
  return ids;
}

describe('a worker that is killed within every step', { timeout: 300_000 }, () => {
  it('repeats an idempotent step under the same key, and completes', async () => {
    const ids = await killedAtEveryBoundary('http.put');
    for (const id of ids) expect(await ended(id)).toMatchObject({ state: 'verifying' });
    const counts = counted();
    for (let nth = 0; nth < STEPS; nth += 1) {
      for (let step = 0; step < STEPS; step += 1)
        expect(counts.get(`/${nth}/${step}`), `${nth}/${step}`).toBe(nth === step ? 2 : 1);
    }
    const keys = receiver.requests.map(
      ({ path, headers }) => `${path} ${String(headers['idempotency-key'])}`,
    );
    expect(new Set(keys).size).toBe(STEPS * STEPS);
  });

  it('never begins another step twice, and asks the operator', async () => {
    const ids = await killedAtEveryBoundary('http.post');
    for (const [nth, id] of ids.entries()) {
      expect(await ended(id)).toMatchObject({ state: 'failed_needs_operator', reason: 'step_unknown' });
      const look = await ask('GET', `/rollouts/${id}/recovery`, undefined, 200);
      expect(look).toMatchObject({ recommendation: 'answer', unit: nth });
      expect(look.question).toContain(`“step ${nth}”`);
    }
    await signInAll();
    for (const id of ids) {
      const said = { answer: 'done', reason: 'the receiver has it' };
      await ask('POST', `/rollouts/${id}/repair`, said, 200);
    }
    for (const id of ids) await ended(id, ['verifying']);
    expect([...counted().values()].every((count) => count === 1)).toBe(true);
    expect(counted().size).toBe(STEPS * STEPS);
  });
});

describe('processes that are killed at any moment', { timeout: 300_000 }, () => {
  it('leave every rollout in a state that is right', async () => {
    receiver.requests.length = 0;
    receiver.behaviour = accept;
    await signInAll();
    const mixed = (step: number) => (step % 2 === 0 ? 'http.post' : 'http.put');
    const ids: string[] = [];
    for (let nth = 0; nth < 6; nth += 1) ids.push(await armed(nth, mixed));
    // The API dies while it is asked to execute: each was begun whole, or not at all.
    const asked = ids.map((id) => execute(id).catch(() => undefined));
    await until(async () => (await statesOf(ids)).some((state) => state !== 'armed'));
    await api.kill9();
    await Promise.all(asked);
    const seen = counted().size;
    await until(async () => counted().size > Math.min(seen + 3, 8));
    await worker.kill9();
    [api, worker] = [await start('api'), await start('worker')];
    await signInAll();
    for (const id of ids) {
      const { state } = await read(id);
      expect(['armed', 'executing', ...ENDS]).toContain(state);
      if (state === 'armed') expectAnswer(await execute(id), 200);
    }
    for (const [nth, id] of ids.entries()) {
      const { state } = await ended(id);
      const { items } = await ask('GET', `/rollouts/${id}/steps`, undefined, 200);
      const unknown = items.filter((step: { state: string }) => step.state === 'unknown');
      expect(unknown).toHaveLength(state === 'verifying' ? 0 : 1);
      for (let step = 0; step < STEPS; step += 2)
        expect(counted().get(`/${nth}/${step}`) ?? 0).toBeLessThanOrEqual(1);
      if (state === 'verifying') expect(items).toHaveLength(STEPS);
    }
  });
});

/** Behind the API, for it is about to die. */
async function statesOf(ids: readonly string[]): Promise<string[]> {
  const rows = await run(database.adminUrl, 'SELECT state FROM portcullis.rollouts WHERE id = ANY($1)', [
    ids,
  ]);
  return rows.map(({ state }) => String(state));
}
