import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { expectStatus } from '../../test/kit/app-in-process.ts';
import { type Rollouts, startRollouts } from '../../test/kit/rollout-people.ts';
import { noop, planOf, type Somebody, two } from '../../test/kit/rollouts.ts';

/** The attack list: each is tried over HTTP, as somebody would who may do what their role lets them. */
let at: Rollouts;
let app: Rollouts['app'];
let kit: Rollouts['kit'];
let olga: Somebody;
let author: Somebody;
let approver: Somebody;
beforeAll(async () => {
  at = await startRollouts();
  ({ app, kit, olga, author, approver } = at);
});
afterAll(() => app.close());
afterEach(() => app.clock.reset());
const approved: Rollouts['approved'] = (...given) => at.approved(...given);
const arm = (id: string) => at.arm(id);
const execute = (id: string) => at.execute(id);
const stateOf = (id: string) => at.stateOf(id);

describe('approving one’s own change', () => {
  it('is refused, and refused on record', async () => {
    const rollout = await kit.reviewed(author, await kit.policy(olga), [await kit.target(olga)]);
    const refused = expectStatus(await kit.sign(author, rollout), 403, 'rollout.duty_conflict');
    expect(refused.data.duties).toEqual(['author']);
    expect(await stateOf(rollout.id)).toBe('in_review');
    const denied = (await app.records(kit.orgId)).filter(({ reason }) => reason === 'rollout.duty_conflict');
    expect(denied).toHaveLength(1);
  });

  it('by a second account with a tag in its address is refused', async () => {
    const twin = await kit.somebody('twin', 'admin', 'Author+2@acme.example'.toLowerCase());
    const rollout = await kit.reviewed(author, await kit.policy(olga), [await kit.target(olga)]);
    expectStatus(await kit.sign(twin, rollout), 403, 'rollout.duty_conflict');
  });

  it('by a second account that was declared to be the same person is refused', async () => {
    const other = await kit.somebody('other', 'admin');
    const rollout = await kit.reviewed(author, await kit.policy(olga), [await kit.target(olga)]);
    expectStatus(await kit.post(olga, '/rollout-persons', { userId: other.id, sameAs: author.id }), 204);
    expectStatus(await kit.sign(other, rollout), 403, 'rollout.duty_conflict');
  });

  it('by both accounts of one person counts once, also where that is found out later', async () => {
    const [left, right] = [await kit.somebody('left', 'admin'), await kit.somebody('right', 'admin')];
    const rollout = await kit.reviewed(author, await kit.policy(olga, { quorum: two }), [
      await kit.target(olga),
    ]);
    expectStatus(await kit.sign(left, rollout), 200);
    expectStatus(await kit.sign(right, rollout), 200);
    expect(await stateOf(rollout.id)).toBe('approved');
    expectStatus(await kit.post(olga, '/rollout-persons', { userId: left.id, sameAs: right.id }), 204);
    expectStatus(await arm(rollout.id), 409, 'rollout.gates_closed');
    expect(await kit.read(olga, rollout.id)).toMatchObject({ state: 'suspended', reason: 'quorum_lost' });
  });

  it('by an API key is refused, whoever owns it', async () => {
    const rollout = await kit.reviewed(author, await kit.policy(olga), [await kit.target(olga)]);
    const permissions = ['rollout:sign-off', 'rollout:read'];
    const { key } = await app.apiKey(kit.admin, { permissions });
    expectStatus(await kit.sign({ token: key }, rollout), 403, 'auth.sessions_only');
    expect(await stateOf(rollout.id)).toBe('in_review');
  });

  it('by an agent, which has a service account, is refused', async () => {
    const rollout = await kit.reviewed(author, await kit.policy(olga), [await kit.target(olga)]);
    const account = expectStatus(await kit.post(olga, '/service-accounts', { name: 'agent' }), 201);
    const permissions = ['rollout:sign-off', 'rollout:break-glass', 'risk:accept', 'rollout:read'];
    const { key } = await app.apiKey(kit.admin, { permissions, serviceAccountId: account.id });
    const agent = { token: key };
    expectStatus(await kit.sign(agent, rollout), 403, 'auth.sessions_only');
    const glass = { digest: rollout.digest, justification: 'because I can', incident: 'x' };
    const broken = await kit.post(agent, `/rollouts/${rollout.id}/break-glass`, glass);
    expectStatus(broken, 403, 'auth.sessions_only');
    const raised = {
      rolloutId: rollout.id,
      statement: 'x',
      likelihood: 1,
      consequence: 1,
      treatment: 'accept',
      rationale: 'x',
    };
    const risk = expectStatus(await kit.post(author, '/risks', raised), 201);
    const validUntil = new Date(Date.now() + 60_000).toISOString();
    const acceptance = await kit.post(agent, `/risks/${risk.id}/acceptance`, { validUntil });
    expectStatus(acceptance, 403, 'auth.sessions_only');
    expect(await stateOf(rollout.id)).toBe('in_review');
  });

  it('without a fresh proof is refused', async () => {
    const rollout = await kit.reviewed(author, await kit.policy(olga), [await kit.target(olga)]);
    const tired = await kit.somebody('tired', 'admin');
    await app.change(
      `UPDATE portcullis.sessions SET password_at = now() - interval '301 s' WHERE user_id = $1`,
      [tired.id],
    );
    expectStatus(await kit.sign(tired, rollout), 401, 'auth.step_up_required');
    expect(await stateOf(rollout.id)).toBe('in_review');
  });
});

describe('changing the plan', () => {
  it('after approval voids what was signed', async () => {
    const { rollout, targets } = await approved();
    const changed = planOf(targets, { steps: [noop('something else')] });
    const now = await kit.planned(author, rollout.id, changed);
    expect(now.state).toBe('planned');
    expect(now.digest).not.toBe(rollout.digest);
    expectStatus(await arm(rollout.id), 409, 'rollout.wrong_state');
    const reviewed = expectStatus(await kit.post(author, `/rollouts/${rollout.id}/review`), 200);
    expect(reviewed.state).toBe('in_review');
    const { items } = expectStatus(await kit.get(olga, `/rollouts/${rollout.id}/sign-offs`), 200);
    expect(items.map((one: { current: boolean }) => one.current)).toEqual([false]);
    // What they saw is not what is there.
    expectStatus(await kit.sign(approver, rollout), 409, 'rollout.digest_changed');
  });

  it('to the same plan keeps what was signed', async () => {
    const { rollout, targets } = await approved();
    const same = await kit.planned(author, rollout.id, planOf(targets));
    expect(same).toMatchObject({ state: 'approved', digest: rollout.digest });
    expectStatus(await arm(rollout.id), 200);
  });

  it('once it was armed takes it back to where nothing is signed', async () => {
    const { rollout, targets } = await approved();
    expectStatus(await arm(rollout.id), 200);
    await kit.planned(author, rollout.id, planOf(targets, { environment: 'test' }));
    expectStatus(await execute(rollout.id), 409, 'rollout.wrong_state');
  });

  it('behind the product’s back is found out', async () => {
    const { rollout } = await approved();
    await app.change(
      `UPDATE portcullis.rollouts SET plan = jsonb_set(plan, '{steps,0,arguments}', '{"note":"evil"}') WHERE id = $1`,
      [rollout.id],
    );
    const refused = expectStatus(await arm(rollout.id), 409, 'rollout.diverged');
    expect(refused.data.differences).toEqual(['digest']);
  });

  it('and approving at the same moment never leaves an approval of what nobody saw', async () => {
    const policyId = await kit.policy(olga);
    for (let round = 0; round < 8; round += 1) {
      const targets = [await kit.target(olga)];
      const rollout = await kit.reviewed(author, policyId, targets);
      const edit = kit.put(
        author,
        `/rollouts/${rollout.id}/plan`,
        planOf(targets, { steps: [noop(`other ${round}`)] }),
      );
      await Promise.all([kit.sign(approver, rollout), edit]);
      const now = await kit.read(olga, rollout.id);
      expect(now.digest).not.toBe(rollout.digest);
      expect(now.state).toBe('planned');
      expectStatus(await kit.post(author, `/rollouts/${rollout.id}/review`), 200);
      expect(await stateOf(rollout.id)).toBe('in_review');
    }
  });
});

describe('approving', () => {
  it('during planning is refused', async () => {
    const policyId = await kit.policy(olga);
    const id = await kit.written(author, policyId);
    expectStatus(await kit.sign(approver, { id, digest: 'sha256:x' }), 409, 'rollout.not_ready');
    const planned = await kit.planned(author, id, planOf([await kit.target(olga)]));
    expectStatus(await kit.sign(approver, planned), 409, 'rollout.wrong_state');
  });

  it('is never done by waiting', async () => {
    const rollout = await kit.reviewed(author, await kit.policy(olga, { reviewSeconds: 60 }), [
      await kit.target(olga),
    ]);
    await app.change(`UPDATE portcullis.rollouts SET expires_at = now() - interval '1 s' WHERE id = $1`, [
      rollout.id,
    ]);
    expectStatus(await kit.sign(approver, rollout), 409, 'rollout.expired');
    expect(await stateOf(rollout.id)).toBe('in_review');
  });

  it('too long ago lets nothing run', async () => {
    const { rollout } = await approved({ approvalSeconds: 60 });
    expectStatus(await arm(rollout.id), 200);
    app.clock.advance(61_000);
    expectStatus(await execute(rollout.id), 409, 'rollout.expired');
    expect(await stateOf(rollout.id)).toBe('expired');
  });

  it('by consensus ends with one denial', async () => {
    const rollout = await kit.reviewed(author, await kit.policy(olga, { quorum: two, consensus: true }), [
      await kit.target(olga),
    ]);
    expectStatus(await kit.sign(approver, rollout, { decision: 'deny', comment: 'no' }), 200);
    expect(await stateOf(rollout.id)).toBe('rejected');
    expectStatus(await kit.sign(olga, rollout), 409, 'rollout.wrong_state');
  });

  it('gives an administrator or an owner nothing that the quorum does not', async () => {
    const asked = { anyOf: [{ allOf: [{ count: 1, role: 'security' }] }] };
    const rollout = await kit.reviewed(author, await kit.policy(olga, { quorum: asked }), [
      await kit.target(olga),
    ]);
    expectStatus(await kit.sign(olga, rollout), 200);
    expectStatus(await kit.sign(approver, rollout), 200);
    expect(await stateOf(rollout.id)).toBe('in_review');
  });
});
