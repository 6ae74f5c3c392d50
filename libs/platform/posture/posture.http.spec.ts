import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { CheckpointRounds, Forks, LogVerification } from '#audit';
import { Database } from '#database';
import { newId } from '#kernel';
import {
  type AppInProcess,
  type Ask,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../../test/kit/app-in-process.ts';

const SUMMARIES = [
  '/platform/services',
  '/platform/summary',
  '/observability/readiness',
  '/security/readiness',
  '/recovery/readiness',
  '/signoff/readiness',
  '/docs/readiness',
];

let product: AppInProcess;
let operator: SignedIn;
let tenant: SignedIn;

beforeAll(async () => {
  product = await startApp();
  operator = await product.signIn(owner, 'platform');
  tenant = await product.signIn(owner, 'acme');
  await product.app.get(CheckpointRounds, { strict: false }).compare(() => undefined);
});
afterEach(() => {
  vi.restoreAllMocks();
  product.clock.reset();
  // What was observed is told for two seconds.
  product.clock.advance((looks += 3_000));
});
afterAll(() => product.close());
let looks = 0;

const as = (who: SignedIn): Ask => ({ token: who.accessToken });
// oxlint-disable-next-line typescript/no-explicit-any
const service = async (key: string): Promise<any> => {
  const { items } = expectStatus(await product.get('/platform/services', as(operator)), 200);
  return items.find((one: { key: string }) => one.key === key);
};

describe('what the deployment says of itself', () => {
  it('names what is built and works, and blocks on what is planned', async () => {
    expect(await service('rest')).toEqual({
      key: 'rest',
      name: 'REST API',
      verdict: 'ready',
      reasons: [],
      onboardingStatus: 'onboarded',
    });
    for (const key of ['database', 'secrets', 'audit-log']) {
      expect((await service(key)).verdict, key).toBe('ready');
    }
    for (const key of ['console', 'mcp', 'gitea-intake', 'identity-providers', 'rollouts', 'backup']) {
      const found = await service(key);
      expect([found.verdict, found.onboardingStatus], key).toEqual(['blocked', 'planned']);
      expect(found.reasons, key).toEqual(
        expect.arrayContaining(['surface_planned', 'session_planned_not_live']),
      );
    }
  });

  it('is never ready where a part of it is planned or down', async () => {
    const family = async (name: string) =>
      expectStatus(await product.get(`/${name}/readiness`, as(operator)), 200);
    expect((await family('security')).verdict).toBe('ready');
    expect((await family('docs')).verdict).toBe('ready');
    expect((await family('recovery')).verdict).toBe('blocked');
    expect((await family('signoff')).verdict).toBe('blocked');
    // No worker is at work in this process.
    expect((await family('observability')).verdict).toBe('blocked');
  });

  it('is blocked by a log that is not what was written, or does not continue what was published', async () => {
    const down = { verdict: 'blocked', reasons: ['runtime_not_materialized'] };
    product.clock.advance((looks += 3_000));
    vi.spyOn(product.app.get(LogVerification, { strict: false }), 'isSound').mockResolvedValue(false);
    expect(await service('audit-log')).toMatchObject(down);
    vi.restoreAllMocks();
    product.clock.advance((looks += 3_000));
    vi.spyOn(product.app.get(Forks, { strict: false }), 'areOpen').mockResolvedValue(true);
    expect(await service('audit-log')).toMatchObject(down);
  });

  it('knows nothing of what it could not observe', async () => {
    product.clock.advance((looks += 3_000));
    vi.spyOn(product.app.get(Forks, { strict: false }), 'areOpen').mockRejectedValue(new Error('away'));
    expect(await service('audit-log')).toMatchObject({ verdict: 'blocked', reasons: ['missing_input'] });
  });

  it('shows rollouts and the intake once they are set up: up while a worker works them off and nothing is left behind', async () => {
    const look = async (key: string) => {
      product.clock.advance(3_000);
      const { verdict, onboardingStatus } = await service(key);
      return `${onboardingStatus} ${verdict}`;
    };
    const worker = (ago: string) =>
      product.sql(`UPDATE pgboss.queue SET monitor_on = clock_timestamp() - interval '${ago}'`);
    const mine = tenant.organization.id;
    const [hook, policy, rollout] = [newId(), newId(), newId()];
    await product.change(
      `INSERT INTO portcullis.gitea_hooks (org_id, id, name, base_url, token_ref, secret_refs, repositories, branches, tags, opens, created_by)
       VALUES ($1, $2, 'x', 'https://gitea.example', 'x', '{x}', '{a/b}', '{*}', '{}', '{}', 'x')`,
      [mine, hook],
    );
    await product.change(
      `INSERT INTO portcullis.rollout_policies (org_id, id, name, rules) VALUES ($1, $2, 'x', '{}')`,
      [mine, policy],
    );
    await worker('10 minutes');
    expect([await look('rollouts'), await look('gitea-intake')]).toEqual(Array(2).fill('onboarded blocked'));
    await worker('0');
    expect([await look('rollouts'), await look('gitea-intake')]).toEqual(Array(2).fill('onboarded ready'));
    // A repository that was not read for long, and a delivery whose reading failed for good.
    await product.change(
      `UPDATE portcullis.gitea_hooks SET created_at = now() - interval '2 hours' WHERE id = $1`,
      [hook],
    );
    expect(await look('gitea-intake')).toBe('onboarded blocked');
    await product.sql(
      `INSERT INTO portcullis.gitea_repositories (org_id, hook_id, name, gitea_id, read_at) VALUES ($1, $2, 'a/b', 1, now())`,
      [mine, hook],
    );
    expect(await look('gitea-intake')).toBe('onboarded ready');
    await product.sql(
      `INSERT INTO portcullis.gitea_deliveries (org_id, id, hook_id, source, event, repository, verdict, state, received_at)
       VALUES ($1, $2, $2, 'webhook', 'push', 'a/b', 'accepted', 'failed', now() + interval '1 second')`,
      [mine, hook],
    );
    expect(await look('gitea-intake')).toBe('onboarded blocked');
    // A rollout that nothing goes on with, and a break-glass that nobody reviewed in time.
    await product.change(
      `INSERT INTO portcullis.rollouts (org_id, id, title, state, author_id, policy_id, begun_at)
       VALUES ($1, $2, 'x', 'executing', $2, $3, now())`,
      [mine, rollout, policy],
    );
    expect(await look('rollouts')).toBe('onboarded blocked');
    await product.change(`UPDATE portcullis.rollouts SET state = 'completed' WHERE id = $1`, [rollout]);
    expect(await look('rollouts')).toBe('onboarded ready');
    await product.change(
      `INSERT INTO portcullis.rollout_break_glass (org_id, id, rollout_id, digest, opened_by, justification, incident, needed,
         opened_at, ends_at, review_due_at)
       VALUES ($1, $2, $2, 'x', $2, 'x', 'x', true, now(), now(), now() - interval '1 day')`,
      [mine, rollout],
    );
    expect(await look('rollouts')).toBe('onboarded blocked');
    await product.change('DELETE FROM portcullis.gitea_hooks WHERE id = $1', [hook]);
    await product.change('DELETE FROM portcullis.rollouts WHERE id = $1', [rollout]);
    await product.change('DELETE FROM portcullis.rollout_policies WHERE id = $1', [policy]);
    await worker('10 minutes');
  });

  it('is an outage where the database is away', async () => {
    product.clock.advance((looks += 3_000));
    const database = product.app.get(Database);
    const across = database.acrossOrgs.bind(database);
    vi.spyOn(database, 'acrossOrgs').mockImplementation((reason, work) =>
      across(
        reason,
        reason === 'system_state'
          ? () => Promise.reject(Object.assign(new Error(), { code: '57P01' }))
          : work,
      ),
    );
    expectStatus(await product.get('/platform/summary', as(operator)), 503, 'database.unavailable');
    vi.restoreAllMocks();
    expectStatus(await product.get('/platform/summary', as(operator)), 200);
  });
});

describe('its surfaces', () => {
  it('stand among the projections of the platform organization, and of no other', async () => {
    const list = (who: SignedIn) =>
      product.get(`/orgs/${who.organization.id}/projections?limit=100`, as(who));
    const { items } = expectStatus(await list(operator), 200);
    expect(items.map(({ key }: { key: string }) => key)).toEqual(expect.arrayContaining(['rest', 'backup']));
    expect(expectStatus(await list(tenant), 200).items).toEqual([]);
    const rest = items.find(({ key }: { key: string }) => key === 'rest');
    const one = `/orgs/${operator.organization.id}/projections/${rest.surfaceId}`;
    expect(expectStatus(await product.get(one, as(operator)), 200)).toMatchObject({
      key: 'rest',
      verdict: 'ready',
    });
    const elsewhere = `/orgs/${tenant.organization.id}/projections/${rest.surfaceId}`;
    expectStatus(await product.get(elsewhere, as(tenant)), 404, 'projection.surface_not_found');
    // The pages are the same list.
    const paged: string[] = [];
    for (let cursor = ''; ;) {
      const page = expectStatus(
        await product.get(`/orgs/${operator.organization.id}/projections?limit=5${cursor}`, as(operator)),
        200,
      );
      paged.push(...page.items.map(({ key }: { key: string }) => key));
      if (page.next === undefined) break;
      cursor = `&cursor=${page.next}`;
    }
    expect(paged).toEqual(items.map(({ key }: { key: string }) => key));
  });
});

describe('the summaries', () => {
  it('are guarded unless the operator opens them', async () => {
    for (const path of SUMMARIES) {
      expectStatus(await product.get(path), 401, 'auth.credential_missing');
      expectStatus(await product.get(path, as(tenant)), 403, 'access.denied');
      expectStatus(await product.get(path, as(operator)), 200);
    }
  });

  it('are for everyone where the operator has opened them, hold no secret and change nothing', async () => {
    const open = await startApp({ summary: 'public' });
    try {
      for (const path of SUMMARIES) {
        const { status, raw } = await open.get(path);
        expect([path, status]).toEqual([path, 200]);
        expect(raw.toString()).not.toMatch(/postgres|password|@|acme|pck_|[0-9a-f]{8}-[0-9a-f]{4}/);
        for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
          expectStatus(await open.ask(method, path), 405, 'http.method_not_allowed');
        }
      }
      // Nothing else is.
      expectStatus(await open.get('/platform/system-state'), 401, 'auth.credential_missing');
      expectStatus(await open.get('/platform/signing-keys'), 401, 'auth.credential_missing');
    } finally {
      await open.close();
    }
  });
});
