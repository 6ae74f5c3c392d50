import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { expectStatus, owner } from '../../test/kit/app-in-process.ts';
import { GiteaIntake, type Line } from '../../test/kit/gitea-intake.ts';
import type { GiteaRepo } from '../../test/kit/gitea-repo.ts';
import { noop, planOf, RolloutKit, type Somebody, statement } from '../../test/kit/rollouts.ts';

/** What Gitea says opens, supersedes and voids rollouts; people alone sign them. */
let intake: GiteaIntake;
let kit: RolloutKit;
let repo: GiteaRepo;
let hook: string;
let olga: Somebody;
let writer: Somebody;
let approver: Somebody;
let operator: Somebody;
let policyId: string;
let target: string;
let made = 0;

beforeAll(async () => {
  intake = await GiteaIntake.startWhole();
  kit = new RolloutKit(intake.app, intake.admin);
  olga = { id: intake.admin.user.id, token: intake.admin.accessToken, email: owner.email };
  writer = await kit.somebody('writer', 'admin');
  approver = await kit.somebody('approver', 'admin');
  operator = await kit.somebody('operator', 'operator');
  policyId = await kit.policy(olga);
});
afterAll(() => intake.stop());

beforeEach(async () => {
  repo = intake.gitea.repo(`ada/app-${(made += 1)}`, 2_000 + made);
  repo.push('main');
  hook = await intake.baselined({ repositories: [repo.fullName] });
  target = await kit.target(olga);
});

const push = (ref = 'refs/heads/main'): Promise<Line> =>
  intake.deliver(hook, 'push', intake.gitea.pushed(repo, ref));

async function template(change: Record<string, unknown> = {}): Promise<string> {
  const body = {
    name: `deploy ${(made += 1)}`,
    giteaHookId: hook,
    repository: repo.fullName,
    ref: 'refs/heads/*',
    policyId,
    seals: true,
    plan: planOf([target], { steps: [noop('install', { arguments: { note: 'of {commit}' } })] }),
    ...change,
  };
  return expectStatus(await kit.post(writer, '/rollout-templates', body), 201).id;
}

/** Opened by a push, and sealed. */
async function opened(change: Record<string, unknown> = {}) {
  await template(change);
  const commit = repo.push('main');
  const line = await push();
  const [id] = (line.prompted[0] as unknown as { rollouts: string[] }).rollouts;
  return { commit, line, rollout: await kit.read(olga, id!) };
}

async function armed(change: Record<string, unknown> = {}) {
  const { commit, rollout } = await opened(change);
  expectStatus(await kit.post(operator, `/rollouts/${rollout.id}/review`), 200);
  expectStatus(await kit.sign(approver, rollout), 200);
  expectStatus(await kit.post(operator, `/rollouts/${rollout.id}/arm`), 200);
  return { commit, rollout };
}

describe('a signed push', () => {
  it('opens and seals a rollout of the commit, once, by the template that is for the branch', async () => {
    await template({ ref: 'refs/heads/other' });
    const { commit, rollout } = await opened();
    expect(rollout).toMatchObject({
      state: 'planned',
      authorId: olga.id,
      plannerId: writer.id,
      source: { giteaHookId: hook, ref: 'refs/heads/main', commit, goneAt: null },
    });
    expect(rollout.plan.source.commit).toBe(commit);
    expect(rollout.plan.steps[0].arguments).toEqual({ note: `of ${commit}` });
    await intake.reconcile(hook);
    const { items } = expectStatus(await kit.get(olga, '/rollouts?limit=100'), 200);
    expect(
      items.filter((one: { source?: { commit: string } }) => one.source?.commit === commit),
    ).toHaveLength(1);
  });

  it('opens no more than a draft where the plan cannot be sealed, and says why', async () => {
    const unseen = { name: `unseen ${made}`, kind: 'host', environment: 'production' };
    const { id } = expectStatus(await kit.post(olga, '/rollout-targets', unseen), 201);
    const { rollout } = await opened({ plan: planOf([id], { steps: [noop('install')] }) });
    expect(rollout).toMatchObject({ state: 'draft', digest: null });
    const [record] = (await intake.app.records(kit.orgId, 'rollout_template.kept_back')).slice(-1);
    expect(record).toMatchObject({ reason: 'rollout.bad_plan', outcome: 'failure' });
    // A person plans it, and it stays of its commit.
    const plan = await kit.planned(operator, rollout.id, planOf([target]));
    expect(plan.plan.source.commit).toBe(rollout.source.commit);
  });

  it('opens nothing once a person who answers for it may not write rollouts any more', async () => {
    const gone = await kit.somebody(`gone${made}`, 'operator');
    const body = {
      name: 'of somebody',
      giteaHookId: hook,
      repository: repo.fullName,
      ref: 'refs/heads/main',
      policyId,
      plan: planOf([target]),
    };
    expectStatus(await kit.post(gone, '/rollout-templates', body), 201);
    expectStatus(
      await intake.app.ask('PATCH', `${kit.at}/members/${gone.id}`, {
        token: olga.token,
        body: { role: 'viewer' },
      }),
      200,
    );
    repo.push('main');
    const line = await push();
    expect(line.prompted).toMatchObject([{ kind: 'open', rollouts: [] }]);
    const [record] = (await intake.app.records(kit.orgId, 'rollout_template.kept_back')).slice(-1);
    expect(record).toMatchObject({ reason: 'responsible_person_gone' });
  });

  it('is signed by neither who made the hook nor who wrote the template', async () => {
    const { rollout } = await opened();
    expectStatus(await kit.post(operator, `/rollouts/${rollout.id}/review`), 200);
    for (const author of [olga, writer])
      expectStatus(await kit.sign(author, rollout), 403, 'rollout.duty_conflict');
    expect(expectStatus(await kit.sign(approver, rollout), 200).state).toBe('approved');
  });
});

describe('a template', () => {
  const body = (change: object = {}) => ({
    name: `of a test ${(made += 1)}`,
    giteaHookId: hook,
    repository: repo.fullName,
    ref: 'refs/tags/v*',
    policyId,
    plan: planOf([target]),
    ...change,
  });
  const give = (change: object) => kit.post(writer, '/rollout-templates', body(change));

  it('is refused where it names what is not there, or what nothing may run', async () => {
    expectStatus(await give({ repository: 'ada/none' }), 404, 'rollout.hook_not_found');
    expectStatus(await give({ policyId: hook }), 404, 'rollout.policy_not_found');
    expectStatus(await give({ ref: 'main' }), 400, 'rollout.bad_template');
    const source = {
      giteaHookId: hook,
      repository: repo.fullName,
      ref: 'refs/heads/main',
      commit: 'a'.repeat(40),
    };
    expectStatus(await give({ plan: planOf([target], { source }) }), 400, 'rollout.bad_template');
    const { errors } = expectStatus(
      await give({ plan: planOf([target, hook]) }),
      400,
      'rollout.bad_template',
    );
    expect(errors).toEqual([{ path: 'plan.targets[1]', message: 'is no target' }]);
    const secret = noop('x', { effect: 'secret_provisioning_from_repository' });
    expectStatus(
      await give({ plan: planOf([target], { steps: [secret] }) }),
      403,
      'rollout.forbidden_secret_provisioning',
    );
    expectStatus(await give({ plan: planOf([target], { steps: [{ name: 'x', command: 'sh' }] }) }), 400);
  });

  it('is read, listed, and opens nothing once it is deleted; so it goes with its hook', async () => {
    const { id, name } = expectStatus(await give({ ref: 'refs/heads/main' }), 201);
    expect(expectStatus(await kit.get(olga, `/rollout-templates/${id}`), 200).plan.steps).toHaveLength(1);
    const { items } = expectStatus(await kit.get(olga, '/rollout-templates?limit=1'), 200);
    expect(items).toMatchObject([{ id, name, createdBy: writer.id }]);
    expectStatus(await give({ name }), 409, 'rollout.template_exists');
    const gone = (path: string) => intake.app.ask('DELETE', path, { token: writer.token });
    expectStatus(await gone(`${kit.at}/rollout-templates/${id}`), 204);
    expectStatus(await gone(`${kit.at}/rollout-templates/${id}`), 404, 'rollout.template_not_found');
    repo.push('main');
    expect((await push()).prompted).toMatchObject([{ kind: 'open', rollouts: [] }]);
    const other = expectStatus(await give({}), 201).id;
    expectStatus(await gone(`${intake.base}/${hook}`), 204);
    expectStatus(await kit.get(olga, `/rollout-templates/${other}`), 404, 'rollout.template_not_found');
  });
});

describe('a new commit', () => {
  it('supersedes what has not begun, and opens the next', async () => {
    const { rollout: before } = await armed();
    const commit = repo.push('main');
    const line = await push();
    expect(await kit.read(olga, before.id)).toMatchObject({ state: 'superseded', reason: 'source_moved' });
    const ids = (line.prompted[0] as unknown as { rollouts: string[] }).rollouts;
    const next = await kit.read(
      olga,
      ids.find((id) => id !== before.id)!,
    );
    expect(next).toMatchObject({ state: 'planned', supersedes: before.id, source: { commit } });
    expect(next.digest).not.toBe(before.digest);
  });

  it('opens the next also where the hook opens nothing, but only of what was superseded', async () => {
    const { rollout: before } = await opened();
    expectStatus(
      await intake.app.ask('PATCH', `${intake.base}/${hook}`, { ...intake.as, body: { opens: [] } }),
      200,
    );
    await template({ name: `another ${made}` });
    const commit = repo.push('main');
    // The change of the hook has everything read too; whichever reading comes first does it.
    await push();
    const { items } = expectStatus(await kit.get(olga, '/rollouts?limit=100'), 200);
    const next = items.filter((one: { source?: { commit: string } }) => one.source?.commit === commit);
    expect(next).toMatchObject([{ supersedes: before.id }]);
  });
});

describe('a lost commit', () => {
  it('voids what is bound to it, sign-offs and all', async () => {
    const { rollout } = await armed();
    repo.forcePush('main');
    await push();
    const now = await kit.read(olga, rollout.id);
    expect(now).toMatchObject({ state: 'superseded', reason: 'source_gone' });
    expect(now.source.goneAt).not.toBeNull();
    expectStatus(await kit.post(operator, `/rollouts/${rollout.id}/execute`), 409, 'rollout.wrong_state');
    expect((await intake.app.records(kit.orgId, 'rollout.source_gone')).at(-1)).toMatchObject({
      reason: 'force_push',
      target: { id: rollout.id },
    });
  });

  it('stops what is being carried out, and keeps its gates closed', async () => {
    const wait = { name: 'wait', command: 'wait', arguments: { seconds: 30 } };
    const { rollout } = await armed({ plan: planOf([target], { steps: [wait, noop('after')] }) });
    expectStatus(await kit.post(operator, `/rollouts/${rollout.id}/execute`), 200);
    repo.forcePush('main');
    await push();
    expect(await kit.read(olga, rollout.id)).toMatchObject({ state: 'suspended', reason: 'source_gone' });
    expect((await kit.gates(olga, rollout.id))['source']).toMatchObject({
      verdict: 'fail',
      reason: 'source_gone',
    });
  });
});

describe('the commit of a plan', () => {
  it('must be where Gitea was last seen to have it, when it is planned', async () => {
    const id = await kit.written(operator, policyId);
    const head = repo.branches.get('main')!;
    const plan = (source: object) => kit.put(operator, `/rollouts/${id}/plan`, planOf([target], { source }));
    const right = { giteaHookId: hook, repository: repo.fullName, ref: 'refs/heads/main', commit: head };
    for (const wrong of [
      { commit: 'a'.repeat(40) },
      { ref: 'refs/heads/none' },
      { repository: 'ada/none' },
      { giteaHookId: id },
    ])
      expectStatus(await plan({ ...right, ...wrong }), 400, 'rollout.bad_plan');
    const without = expectStatus(await kit.put(operator, `/rollouts/${id}/plan`, planOf([target])), 200);
    const bound = expectStatus(await plan(right), 200);
    expect(bound.digest).not.toBe(without.digest);
    expect(bound.source.commit).toBe(head);
  });

  it('is compared at arming and at executing: moved, read too long ago, or not readable is diverged', async () => {
    const { rollout } = await armed();
    const execute = () => kit.post(operator, `/rollouts/${rollout.id}/execute`);
    const again = () =>
      intake.app.change(`UPDATE portcullis.rollouts SET state = 'armed' WHERE id = $1`, [rollout.id]);
    const refs = (text: string) =>
      intake.app.sql(`UPDATE portcullis.gitea_refs SET ${text} WHERE hook_id = $1`, [hook]);
    const diverged = async (reason: string) => {
      const { data } = expectStatus(await execute(), 409, 'rollout.diverged');
      expect(data).toMatchObject({ differences: ['source'], source: { reason } });
      await again();
      return data.source;
    };
    const [seen] = await intake.app.sql('SELECT commit FROM portcullis.gitea_refs WHERE hook_id = $1', [
      hook,
    ]);
    await refs(`commit = '${'b'.repeat(40)}'`);
    expect((await diverged('source_moved')).standsAt).toBe('b'.repeat(40));
    await refs(`commit = '${seen!['commit']}', seen_at = now() - interval '31 minutes'`);
    await intake.app.sql('UPDATE portcullis.gitea_repositories SET read_at = NULL WHERE hook_id = $1', [
      hook,
    ]);
    expect(Date.parse((await diverged('reading_too_old')).readAt)).toBeLessThan(Date.now() - 1_800_000);
    await refs('seen_at = now()');
    await intake.app.change('UPDATE portcullis.gitea_hooks SET enabled = false WHERE id = $1', [hook]);
    await diverged('source_unreadable');
    await intake.app.change('UPDATE portcullis.gitea_hooks SET enabled = true WHERE id = $1', [hook]);
    expectStatus(await execute(), 200);
  });
});

describe('a review of Gitea', () => {
  const type = 'urn:portcullis:predicate:gitea-review:v1';

  it('is evidence of Gitea, and never a sign-off', async () => {
    const gated = await kit.policy(olga, {
      gates: [{ name: 'reviewed', kind: 'evidence', predicateType: type }],
    });
    await template({ policyId: gated, ref: 'refs/pull/*/head' });
    const pull = repo.openPull(7, 'main', repo.commit());
    const line = await intake.deliver(hook, 'pull_request', intake.gitea.pulled(repo, pull, 'opened'));
    const [id] = (line.prompted[0] as unknown as { rollouts: string[] }).rollouts;
    const gate = async () => (await kit.gates(olga, id!))['reviewed'];
    expect(await gate()).toMatchObject({ verdict: 'inconclusive', reason: 'never_observed' });
    const review = repo.review(pull, 'APPROVED');
    const tell = () =>
      intake.deliver(hook, 'pull_request_review_approved', {
        ...intake.gitea.pulled(repo, pull, 'reviewed', { type: 'pull_request_review_approved', content: '' }),
        told: (made += 1),
      });
    const told = await tell();
    expect(told.prompted).toMatchObject([{ kind: 'evidence', rollouts: [id] }, { kind: 'advance' }]);
    expect(await gate()).toMatchObject({ verdict: 'pass' });
    const { items } = expectStatus(await kit.get(olga, '/evidence'), 200);
    expect(items[0]).toMatchObject({
      predicateType: type,
      producer: 'gitea',
      producerId: null,
      result: 'pass',
    });
    expect((await kit.gates(olga, id!))['sign_off']).toMatchObject({ reason: 'quorum_not_met' });
    // One against it outweighs, until it is taken back; a comment does neither.
    const against = repo.review(pull, 'REQUEST_CHANGES', { by: 'carol' });
    repo.review(pull, 'COMMENT', { by: 'dave' });
    await tell();
    expect(await gate()).toMatchObject({ verdict: 'fail' });
    against.dismissed = true;
    pull.updated += 1;
    await tell();
    expect(await gate()).toMatchObject({ verdict: 'pass' });
    review.dismissed = true;
    pull.updated += 1;
    await tell();
    expect(await gate()).toMatchObject({ verdict: 'inconclusive', reason: 'never_observed' });
  });

  it('is nothing that a person may say', async () => {
    const forged = statement('0'.repeat(64), type, intake.app.clock.now());
    expectStatus(await kit.post(olga, '/evidence', { statement: forged }), 400, 'rollout.evidence_malformed');
  });
});
