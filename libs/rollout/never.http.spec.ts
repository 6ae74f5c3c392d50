import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { expectStatus, owner, until } from '../../test/kit/app-in-process.ts';
import { GiteaIntake } from '../../test/kit/gitea-intake.ts';
import { noop, planOf, RolloutKit, type Somebody } from '../../test/kit/rollouts.ts';
import { subjectDigest } from './lifecycle/plan.ts';

/**
 * What is never automated unconditionally, by every path that leads to a step. A plan with such a step is refused; what
 * gets into a sealed one nevertheless, by whoever writes the database and computes its digest, is not run either.
 */
let intake: GiteaIntake;
let kit: RolloutKit;
let olga: Somebody;
let author: Somebody;
let approver: Somebody;
let operator: Somebody;
let hook: string;
let policyId: string;

beforeAll(async () => {
  intake = await GiteaIntake.startWhole();
  kit = new RolloutKit(intake.app, intake.admin);
  olga = { id: intake.admin.user.id, token: intake.admin.accessToken, email: owner.email };
  author = await kit.somebody('author', 'admin');
  approver = await kit.somebody('approver', 'admin');
  operator = await kit.somebody('operator', 'operator');
  policyId = await kit.policy(olga);
  hook = await intake.baselined({ opens: ['push'] }, author);
});
afterAll(() => intake.stop());

const classes = [
  ['host_destruction', 'rollout.forbidden_destruction'],
  ['secret_provisioning_from_repository', 'rollout.forbidden_secret_provisioning'],
  ['business_action', 'rollout.forbidden_business_action'],
] as const;

describe.each(classes)('%s', (effect, code) => {
  let targets: string[];
  beforeEach(async () => {
    targets = [await kit.target(olga)];
  });
  const template = (plan: object) =>
    kit.post(author, '/rollout-templates', {
      name: `of ${effect} ${Math.random()}`,
      giteaHookId: hook,
      repository: 'ada/ledger',
      ref: 'refs/heads/main',
      policyId,
      seals: true,
      plan,
    });
  const where = (step: object): [string, Record<string, unknown>][] => [
    ['a step', { steps: [step] }],
    ['a check', { waves: [{ targets, checks: [step] }] }],
    ['the way back', { recovery: { kind: 'rollback', steps: [step] } }],
  ];

  it('is refused in a plan and in a template, wherever it stands', async () => {
    const id = await kit.written(author, policyId);
    for (const [place, change] of where(noop('x', { effect }))) {
      const plan = planOf(targets, change);
      const refused = await kit.put(author, `/rollouts/${id}/plan`, plan);
      expect([refused.status, refused.body.code], place).toEqual([403, code]);
      const kept = await template(plan);
      expect([kept.status, kept.body.code], place).toEqual([403, code]);
    }
    expect(await kit.read(olga, id)).toMatchObject({ state: 'draft', digest: null });
  });

  it('is not sealed from a template that was altered', async () => {
    const { id } = expectStatus(await template(planOf(targets)), 201);
    await intake.app.change(
      `UPDATE portcullis.rollout_templates SET plan = jsonb_set(plan, '{steps,0,effect}', to_jsonb($2::text)) WHERE id = $1`,
      [id, effect],
    );
    intake.repo.push('main');
    await intake.deliver(hook, 'push', intake.gitea.pushed(intake.repo, 'refs/heads/main'));
    const kept = (await intake.app.records(kit.orgId, 'rollout_template.kept_back')).filter(
      ({ target }) => target.id === id,
    );
    expect(kept).toMatchObject([{ reason: code, outcome: 'failure' }]);
    const { items } = expectStatus(await kit.get(olga, '/rollouts?limit=100'), 200);
    const opened = items.filter((one: { templateId: string }) => one.templateId === id);
    expect(opened).toMatchObject([{ state: 'draft', digest: null }]);
    expectStatus(await intake.app.delete(`${kit.at}/rollout-templates/${id}`, { token: author.token }), 204);
  });

  /** The plan altered, with a digest and sign-offs that fit it. */
  async function altered(id: string, alter: (plan: ReturnType<typeof Object>) => void): Promise<string> {
    const { plan } = await kit.read(olga, id);
    alter(plan);
    const digest = subjectDigest(kit.orgId, plan);
    await intake.app.change('UPDATE portcullis.rollouts SET plan = $2, digest = $3 WHERE id = $1', [
      id,
      JSON.stringify(plan),
      digest,
    ]);
    await intake.app.change('UPDATE portcullis.rollout_sign_offs SET digest = $2 WHERE rollout_id = $1', [
      id,
      digest,
    ]);
    return digest;
  }
  const worse = (steps: { effect: string }[]) => steps.forEach((step) => (step.effect = effect));
  const refused = (id: string) =>
    until(async () => {
      const now = await kit.read(olga, id);
      return now.state === 'failed_needs_operator' && now.reason === 'forbidden_class' && now;
    });
  const ended = (id: string, state: string) => until(async () => (await kit.read(olga, id)).state === state);
  const begun = async (id: string) =>
    (await kit.steps(olga, id)).map(({ phase, name }) => `${phase} ${name}`);
  const signed = async (change: Record<string, unknown> = {}) => {
    const rollout = await kit.reviewed(author, policyId, targets, change);
    expectStatus(await kit.sign(approver, rollout), 200);
    return rollout;
  };
  const ask = async (id: string, verb: string, body?: object) =>
    expectStatus(await kit.post(operator, `/rollouts/${id}/${verb}`, body), 200);

  it('is not executed, nor run again, whoever signed it', async () => {
    const { id } = await signed();
    await altered(id, ({ steps }) => worse(steps));
    await ask(id, 'arm');
    await ask(id, 'execute');
    await refused(id);
    await ask(id, 'repair', { answer: 'not_done', reason: 'again' });
    await refused(id);
    expect(await begun(id)).toEqual([]);
  });

  it('is not executed by a break-glass', async () => {
    const { id } = await kit.reviewed(author, policyId, targets);
    const digest = await altered(id, ({ steps }) => worse(steps));
    const glass = { digest, justification: 'the house burns', incident: 'INC-1' };
    expectStatus(await kit.post(olga, `/rollouts/${id}/break-glass`, glass), 200);
    await refused(id);
    expect(await begun(id)).toEqual([]);
  });

  it('is not done on the way back', async () => {
    const { id } = await signed();
    await ask(id, 'arm');
    await ask(id, 'execute');
    await ended(id, 'verifying');
    await altered(id, ({ recovery }) => worse(recovery.steps));
    await ask(id, 'rollback', { reason: 'x' });
    await refused(id);
    expect(await begun(id)).toEqual(['apply install']);
  });
});
