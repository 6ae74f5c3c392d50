import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AppInProcess, expectStatus, owner, until } from '../../test/kit/app-in-process.ts';
import { GiteaIntake } from '../../test/kit/gitea-intake.ts';
import { planOf, RolloutKit, type Somebody, statement, two } from '../../test/kit/rollouts.ts';
import { verifyExport } from '../../test/system/verify-export.ts';

let intake: GiteaIntake;
let app: AppInProcess;
let kit: RolloutKit;
let server: Server;
/** What the receiver was asked, in order; `unhealthy` answers of its health. */
const asked: { url: string; key: string; fence: string }[] = [];
let unhealthy = false;
let url = '';
let olga: Somebody;
let author: Somebody;
let first: Somebody;
let second: Somebody;
let operator: Somebody;
let verifier: Somebody;

beforeAll(async () => {
  server = createServer((request, response) => {
    const { headers } = request;
    asked.push({
      url: `${request.method} ${request.url}`,
      key: String(headers['idempotency-key']),
      fence: String(headers['x-portcullis-fence']),
    });
    request.resume();
    response.statusCode = request.url === '/health' && unhealthy ? 500 : 200;
    response.end();
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  intake = await GiteaIntake.startWhole();
  const { admin } = intake;
  app = intake.app;
  kit = new RolloutKit(app, admin);
  olga = { id: admin.user.id, token: admin.accessToken, email: owner.email };
  author = await kit.somebody('author', 'admin');
  first = await kit.somebody('first', 'admin');
  second = await kit.somebody('second', 'admin');
  operator = await kit.somebody('operator', 'operator');
  verifier = await kit.somebody('verifier', 'auditor');
});
afterAll(async () => {
  await intake.stop();
  server.close();
});

const SCAN = 'https://example.org/scan/v1';
const CI = 'urn:portcullis:predicate:gitea-status:v1';

describe('one change, from a signed push to its report', () => {
  let hook: string;
  let templateId: string;
  let targets: string[];
  let policyId: string;
  let broken: Awaited<ReturnType<typeof push>>;
  let risk: { id: string };

  /** A commit on main, told of by Gitea as it signs it: the rollout that it opened. */
  async function push(): Promise<{
    id: string;
    digest: string;
    recoveryDigest: string;
    source: { commit: string };
  }> {
    intake.repo.push('main');
    const line = await intake.deliver(hook, 'push', intake.gitea.pushed(intake.repo, 'refs/heads/main'));
    const [{ rollouts }] = line.prompted as unknown as [{ rollouts: string[] }];
    return kit.read(olga, rollouts[0]!);
  }

  /** What Gitea says of the commit, once it is asked. */
  async function built(commit: string): Promise<void> {
    intake.repo.statuses.set(commit, new Map([['ci/build', 'success']]));
    await intake.deliver(hook, 'status', intake.gitea.statused(intake.repo, commit, 'ci/build', 'success'));
  }

  it('is opened by the push, under a policy of two approvers, evidence, and duties kept apart', async () => {
    policyId = await kit.policy(olga, {
      quorum: two,
      separate: [
        { one: 'approver', other: 'executor' },
        { one: 'executor', other: 'verifier' },
        { one: 'evidence_producer', other: 'approver' },
      ],
      gates: [
        { name: 'scan', kind: 'evidence', predicateType: SCAN },
        { name: 'built', kind: 'evidence', predicateType: CI },
      ],
    });
    targets = [await kit.target(first), await kit.target(first)];
    hook = await intake.baselined({ opens: ['push'] }, author);
    const put = { command: 'http.put', arguments: { url: `${url}/apply`, body: { commit: '{commit}' } } };
    const template = {
      name: 'Roll out <b>ledger</b>',
      giteaHookId: hook,
      repository: 'ada/ledger',
      ref: 'refs/heads/main',
      policyId,
      seals: true,
      plan: planOf(targets, {
        steps: [{ name: 'install', ...put }],
        artifacts: [{ name: 'app', digest: `sha256:${'1'.repeat(64)}` }],
        waves: [
          {
            targets: [targets[0]],
            checks: [{ name: 'healthy', command: 'http.get', arguments: { url: `${url}/health` } }],
          },
          { targets: [targets[1]] },
        ],
        recovery: {
          kind: 'rollback',
          steps: [{ name: 'put back', command: 'http.put', arguments: { url: `${url}/back` } }],
        },
      }),
    };
    templateId = expectStatus(await kit.post(author, '/rollout-templates', template), 201).id;
    broken = await push();
    expect(broken).toMatchObject({ state: 'planned', templateId, authorId: author.id });
    expect(broken.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expectStatus(await kit.post(author, `/rollouts/${broken.id}/review`), 200);
  });

  it('waits for evidence, for both approvers, and for its residual risk', async () => {
    risk = expectStatus(
      await kit.post(author, '/risks', {
        rolloutId: broken.id,
        statement: '<script>alert(1)</script> the cache may be cold',
        likelihood: 3,
        consequence: 4,
        treatment: 'accept',
        rationale: 'it warms within minutes',
      }),
      201,
    );
    expectStatus(await kit.sign(first, broken), 200);
    const signed = expectStatus(await kit.sign(second, broken), 200);
    expect(signed.state).toBe('approved');
    const closed = expectStatus(
      await kit.post(operator, `/rollouts/${broken.id}/arm`),
      409,
      'rollout.gates_closed',
    );
    expect(closed.data.gates).toEqual([
      { name: 'residual_risk', verdict: 'fail', reason: 'risk_not_accepted' },
      { name: 'scan', verdict: 'inconclusive', reason: 'never_observed' },
      { name: 'built', verdict: 'inconclusive', reason: 'never_observed' },
    ]);
    await built(broken.source.commit);
    const scan = statement(broken.digest, SCAN, app.clock.now());
    expectStatus(await kit.post(author, '/evidence', { statement: scan }), 201);
    const validUntil = new Date(Date.now() + 86_400_000).toISOString();
    // A high risk is above an administrator.
    expectStatus(
      await kit.post(first, `/risks/${risk.id}/acceptance`, { validUntil }),
      403,
      'rollout.risk_outranks',
    );
    const accepted = expectStatus(await kit.post(olga, `/risks/${risk.id}/acceptance`, { validUntil }), 200);
    expect(accepted).toMatchObject({
      status: 'accepted',
      acceptedAs: 'owner',
      acceptedDigest: broken.digest,
    });
    expect(expectStatus(await kit.post(operator, `/rollouts/${broken.id}/arm`), 200).state).toBe('armed');
  });

  it('stops where a wave fails its check, and says which target holds which version', async () => {
    unhealthy = true;
    expectStatus(await kit.post(operator, `/rollouts/${broken.id}/execute`), 200);
    await until(async () => (await kit.read(olga, broken.id)).state === 'failed_needs_operator');
    const look = expectStatus(await kit.get(operator, `/rollouts/${broken.id}/recovery`), 200);
    expect(look).toMatchObject({
      recommendation: 'rollback',
      reason: 'what_was_done_does_not_pass_its_check',
    });
    const held = Object.fromEntries(look.targets.map((one: { targetId: string }) => [one.targetId, one]));
    expect(held[targets[0]!]).toMatchObject({ holds: 'new', version: broken.digest });
    expect(held[targets[1]!]).toMatchObject({ holds: 'before', version: null });
    expect(asked.map((one) => one.url)).toEqual(['PUT /apply', 'GET /health']);
    expect(asked[0]).toMatchObject({ key: `${broken.id}:apply:0`, fence: '1' });
  });

  it('is rolled back, which touches only what was touched', async () => {
    asked.length = 0;
    expectStatus(await kit.post(operator, `/rollouts/${broken.id}/rollback`, { reason: 'unhealthy' }), 200);
    await until(async () => (await kit.read(olga, broken.id)).state === 'rolled_back');
    expect(asked.map((one) => one.url)).toEqual(['PUT /back']);
    const { items } = expectStatus(await kit.get(olga, '/rollout-targets'), 200);
    for (const target of items) expect(target).toMatchObject({ version: null, lockedBy: null });
  });

  it('is completed at the second attempt, verified by somebody else', async () => {
    unhealthy = false;
    const plan = await push();
    const { id } = plan;
    expect(id).not.toBe(broken.id);
    await built(plan.source.commit);
    expectStatus(await kit.post(author, `/rollouts/${id}/review`), 200);
    const scan = statement(plan.digest, SCAN, app.clock.now());
    expectStatus(await kit.post(author, '/evidence', { statement: scan }), 201);
    expectStatus(await kit.sign(first, plan), 200);
    expectStatus(await kit.sign(second, plan), 200);
    expectStatus(await kit.post(operator, `/rollouts/${id}/arm`), 200);
    expectStatus(await kit.post(operator, `/rollouts/${id}/execute`), 200);
    await until(async () => (await kit.read(olga, id)).state === 'verifying');
    const body = { passed: true, comment: 'looks right' };
    expectStatus(await kit.post(verifier, `/rollouts/${id}/verify`, body), 200);
    const { items } = expectStatus(await kit.get(olga, '/rollout-targets'), 200);
    for (const target of items) expect(target).toMatchObject({ version: plan.digest, lockedBy: null });
    const history = expectStatus(await kit.get(verifier, `/rollouts/${id}/history`), 200).items;
    expect(history.map((move: { to: string }) => move.to)).toEqual([
      'planned',
      'in_review',
      'approved',
      'armed',
      'executing',
      'verifying',
      'completed',
    ]);
  });

  it('shows whole in a report that no name breaks out of', async () => {
    const answer = await kit.get(verifier, `/rollouts/${broken.id}/report`);
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(answer.headers['content-security-policy']).toContain("default-src 'none'");
    const page = String(answer.body);
    expect(page).not.toContain('<script>');
    expect(page).not.toContain('<b>');
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    for (const shown of [
      broken.digest,
      'first@acme.example',
      'check_failed',
      'rolled back',
      '@media print',
      broken.source.commit,
      CI,
      'the cache may be cold',
      // Who, and not which number: of the risk, too, whose acceptance is nobody's duty in the rollout.
      `&lt;${owner.email}&gt; as owner`,
      `&lt;${operator.email}&gt;`,
      '<dd>2 people</dd>',
      'healthy: http.get',
      'Failures in a row that end it',
    ])
      expect(page).toContain(shown);
    const cells = [...page.matchAll(/<td>(.*?)<\/td>/gs)].map(([, cell = '']) =>
      cell.replaceAll(/<[^>]*>/g, ''),
    );
    expect(cells.length).toBeGreaterThan(60);
    const people = [olga, author, first, second, operator].map(({ id }) => id);
    for (const cell of cells) {
      for (const id of [...people, ...targets]) expect(cell).not.toContain(id);
      expect(cell).not.toMatch(/\d{4}-\d\d-\d\d[ T][\d:.]+(?! UTC|[\d:.])/);
    }
  });

  it('has a trail that the API exports and the verifier that is shipped verifies', async () => {
    const path = `${kit.at}/audit/export?limit=10000`;
    const answer = await app.get(path, { token: olga.token });
    expect(answer.status).toBe(200);
    const lines = answer.raw.toString('utf8').trimEnd().split('\n');
    const treeSize = Number(answer.headers['x-audit-tree-size']);
    const expected = new Map([[kit.orgId, { treeSize, root: String(answer.headers['x-audit-root']) }]]);
    expect((await verifyExport(lines, expected)).problems).toEqual([]);
    // A trail with one line altered is none.
    const altered = lines.map((line) => line.replace('"to":"armed"', '"to":"draft"'));
    expect((await verifyExport(altered, expected)).problems).not.toEqual([]);
    const trail = lines
      .map((line) => JSON.parse(line))
      .filter(({ target, action }) => target.id === broken.id && /^rollout\.(created|moved)$/.test(action))
      .map(({ actor, changes }) => `${actor.type} ${changes.state?.to ?? 'draft'}`);
    expect(trail).toEqual([
      'system draft',
      'system planned',
      'user in_review',
      'user approved',
      'user armed',
      'user executing',
      'system failed_needs_operator',
      'user rolling_back',
      'system rolled_back',
    ]);
  });
});
