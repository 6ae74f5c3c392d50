import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import { until } from '../kit/app-in-process.ts';
import { expectAnswer } from '../kit/client.ts';
import { emptyDatabase, run, type TestDatabase } from '../kit/database.ts';
import { HeldBoundaries } from '../kit/held-boundaries.ts';
import { accept, HttpReceiver } from '../kit/http-receiver.ts';
import { type Account, addMember, setUp, signIn } from '../kit/tenancy.ts';

/**
 * API and worker are killed at every boundary of every step of rollouts of ten steps: before its intent is on record,
 * after that and before the call is there, while the call is made, and after it and before its outcome is on record. And
 * at every move that a person asks for. Each rollout ends in a state that is right, and no step that may not be repeated
 * was begun twice.
 */
const STEPS = 10;
const ENDS = ['verifying', 'failed_needs_operator'];
const nths = Array.from({ length: STEPS }, (_, nth) => nth);

let database: Omit<TestDatabase, 'urls'>;
let receiver: HttpReceiver;
let boundaries: HeldBoundaries;
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
  boundaries = await HeldBoundaries.in(database.adminUrl);
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

/** Ten steps that say in their path which rollout and which step they are. */
async function plannedOf(nth: number, command: (step: number) => Command): Promise<Planned> {
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
  const { digest } = await ask('PUT', `/rollouts/${id}/plan`, plan, 200);
  return { id, digest };
}

type Command = 'http.post' | 'http.put';
interface Planned {
  readonly id: string;
  readonly digest: string;
}

/** What people ask for, one after the other. */
const asks = {
  open_review: ({ id }: Planned) => post(`/rollouts/${id}/review`),
  approve: ({ id, digest }: Planned) =>
    post(`/rollouts/${id}/sign-offs`, { digest, decision: 'approve' }, 'approver'),
  arm: ({ id }: Planned) => post(`/rollouts/${id}/arm`),
  execute: ({ id }: Planned) => post(`/rollouts/${id}/execute`),
  verify: ({ id }: Planned) => post(`/rollouts/${id}/verify`, { passed: true, comment: 'it is there' }),
} as const;
const post = (path: string, body?: unknown, who: keyof typeof token = 'author') =>
  api.api.post(`/orgs/${orgId}${path}`, body, { token: token[who] });

async function armed(nth: number, command: (step: number) => Command): Promise<string> {
  const planned = await plannedOf(nth, command);
  for (const move of ['open_review', 'approve', 'arm'] as const) expectAnswer(await asks[move](planned), 200);
  return planned.id;
}
const execute = (id: string) => asks.execute({ id, digest: '' });

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

async function restart(): Promise<void> {
  [api, worker] = await Promise.all([start('api'), start('worker')]);
  await signInAll();
}
async function kill(): Promise<void> {
  await Promise.all([api.kill9(), worker.kill9()]);
  await boundaries.cut();
}

/**
 * Rollout n stands at this boundary of its step n, all of them at once, when both processes are killed. `lost`: the
 * receiver never got the calls of odd steps.
 */
async function killedAtEveryStep(
  command: Command,
  at: 'intent' | 'call' | 'outcome',
): Promise<{ ids: string[]; lost: ReadonlySet<string> }> {
  receiver.requests.length = 0;
  let hanging = at === 'call';
  const lost = new Set<string>();
  receiver.behaviour = (request, response) => {
    const [, nth, step] = request.path.split('/');
    if (!hanging || nth !== step) return accept(request, response);
    if (Number(nth) % 2 === 1) lost.add(request.path);
  };
  await signInAll();
  const ids: string[] = [];
  for (const nth of nths) ids.push(await armed(nth, () => command));
  for (const nth of nths) {
    if (at === 'intent') await boundaries.hold(ids[nth]!, `insert ${nth}`);
    if (at === 'outcome') await boundaries.hold(ids[nth]!, `update ${nth}`);
  }
  for (const id of ids) expectAnswer(await execute(id), 200);
  const waits = nths.map((nth) => `/${nth}/${nth}`);
  await until(async () =>
    at === 'call' ? waits.every((path) => counted().has(path)) : (await boundaries.count()) === STEPS,
  );
  await kill();
  hanging = false;
  await restart();
  return { ids, lost };
}

/** Of every rollout, every step as often as `times` says. */
function expectRuns(times: (nth: number, step: number) => number): void {
  const counts = counted();
  for (const nth of nths) {
    for (const step of nths)
      expect(counts.get(`/${nth}/${step}`) ?? 0, `rollout ${nth}, step ${step}`).toBe(times(nth, step));
  }
}

describe('API and worker that are killed', { timeout: 400_000 }, () => {
  it('before the intent of any step is on record run each once, and complete', async () => {
    const { ids } = await killedAtEveryStep('http.post', 'intent');
    for (const id of ids) expect(await ended(id)).toMatchObject({ state: 'verifying' });
    expectRuns(() => 1);
  });

  it.each(['call', 'outcome'] as const)(
    'at the %s of any idempotent step repeat that step under the same key, and complete',
    async (at) => {
      const { ids } = await killedAtEveryStep('http.put', at);
      for (const id of ids) expect(await ended(id)).toMatchObject({ state: 'verifying' });
      expectRuns((nth, step) => (nth === step ? 2 : 1));
      const keys = receiver.requests.map(
        ({ path, headers }) => `${path} ${String(headers['idempotency-key'])}`,
      );
      expect(new Set(keys).size).toBe(STEPS * STEPS);
    },
  );

  it.each(['call', 'outcome'] as const)(
    'at the %s of any other step never begin it twice, and ask the operator',
    async (at) => {
      const { ids, lost } = await killedAtEveryStep('http.post', at);
      for (const [nth, id] of ids.entries()) {
        expect(await ended(id)).toMatchObject({ state: 'failed_needs_operator', reason: 'step_unknown' });
        const look = await ask('GET', `/rollouts/${id}/recovery`, undefined, 200);
        expect(look).toMatchObject({ recommendation: 'answer', unit: nth });
        expect(look.question).toContain(`“step ${nth}”`);
      }
      expectRuns((nth, step) => (step <= nth ? 1 : 0));
      await signInAll();
      for (const [nth, id] of ids.entries()) {
        const answer = lost.has(`/${nth}/${nth}`) ? 'not_done' : 'done';
        await ask('POST', `/rollouts/${id}/repair`, { answer, reason: 'as the receiver has it' }, 200);
      }
      for (const id of ids) await ended(id, ['verifying']);
      // What the receiver never got is asked of it once more, because a person said so.
      expectRuns((nth, step) => (nth === step && lost.has(`/${nth}/${nth}`) ? 2 : 1));
      expect(lost.size).toBe(at === 'call' ? STEPS / 2 : 0);
    },
  );

  it('at any move of a rollout have made it whole or not at all, and make it once when asked again', async () => {
    receiver.requests.length = 0;
    receiver.behaviour = accept;
    await signInAll();
    const moves = ['open_review', 'approve', 'arm', 'execute', 'finish_steps', 'verify'] as const;
    const before = ['planned', 'in_review', 'approved', 'armed', 'executing', 'verifying'];
    const path = ['open_review', 'approve', 'arm', 'execute', 'verify'] as const;
    const rollouts = await Promise.all(moves.map((_, nth) => plannedOf(nth, () => 'http.post')));
    // The one that is to stand at its nth move is brought there first.
    for (const [nth, rollout] of rollouts.entries()) {
      if (moves[nth] === 'finish_steps') await boundaries.hold(rollout.id, 'finish_steps');
      for (const move of path.slice(0, Math.min(nth, 4))) expectAnswer(await asks[move](rollout), 200);
    }
    await ended(rollouts.at(-1)!.id, ['verifying']);
    const held = rollouts.filter((_, nth) => moves[nth] !== 'finish_steps');
    for (const [nth, move] of moves.entries()) await boundaries.hold(rollouts[nth]!.id, move);
    const asked = path.map((move, nth) => asks[move](held[nth]!).catch(() => undefined));
    await until(async () => (await boundaries.count()) === moves.length);
    await kill();
    await Promise.all(asked);
    expect(await statesOf(rollouts.map(({ id }) => id))).toEqual(before);
    await restart();
    for (const [nth, rollout] of rollouts.entries()) {
      const begins = path.indexOf(moves[nth] as (typeof path)[number]);
      const rest = moves[nth] === 'finish_steps' ? (['verify'] as const) : path.slice(begins);
      for (const move of rest) {
        if (move === 'verify') await ended(rollout.id, ['verifying']);
        expectAnswer(await asks[move](rollout), 200);
      }
      expect(await read(rollout.id)).toMatchObject({ state: 'completed' });
      const { items } = await ask('GET', `/rollouts/${rollout.id}/history`, undefined, 200);
      expect(items.map(({ to }: { to: string }) => to)).toEqual([
        'planned',
        'in_review',
        'approved',
        'armed',
        'executing',
        'verifying',
        'completed',
      ]);
      for (const step of nths) expect(counted().get(`/${nth}/${step}`), `${nth}/${step}`).toBe(1);
    }
  });
});

describe('processes that are killed at any moment', () => {
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
  const rows = await run(
    database.adminUrl,
    'SELECT state FROM portcullis.rollouts WHERE id = ANY($1) ORDER BY array_position($1::uuid[], id)',
    [ids],
  );
  return rows.map(({ state }) => String(state));
}
