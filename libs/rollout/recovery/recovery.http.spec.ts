import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { expectStatus, until } from '../../../test/kit/app-in-process.ts';
import { accept, HttpReceiver } from '../../../test/kit/http-receiver.ts';
import { callTo, type Rollouts, startRollouts } from '../../../test/kit/rollout-people.ts';
import { noop, planOf, type Somebody, statement, two } from '../../../test/kit/rollouts.ts';

/** Going on and going back: who may order it, how far it goes, and what is never done twice. */
let at: Rollouts;
let app: Rollouts['app'];
let kit: Rollouts['kit'];
let olga: Somebody;
let author: Somebody;
let approver: Somebody;
let operator: Somebody;
let receiver: HttpReceiver;
beforeAll(async () => {
  receiver = await HttpReceiver.start();
  at = await startRollouts({ worker: true, egressAllow: ['127.0.0.0/8'] });
  ({ app, kit, olga, author, approver, operator } = at);
});
afterAll(async () => {
  await app.close();
  await receiver.stop();
});
beforeEach(() => {
  receiver.behaviour = accept;
  receiver.requests.length = 0;
});

const call = (name: string, path: string, command?: string) => callTo(receiver.url, name, path, command);
const paths = (): string[] => receiver.requests.map(({ path }) => path);
const back = (change: Record<string, unknown> = {}) => ({
  kind: 'rollback',
  steps: [call('back', '/back')],
  ...change,
});
const order = (who: Somebody, id: string, change: object = {}) =>
  kit.post(who, `/rollouts/${id}/rollback`, { reason: 'x', ...change });
const look = async (id: string) => expectStatus(await kit.get(operator, `/rollouts/${id}/recovery`), 200);
const held = async (id: string): Promise<Record<string, string>> =>
  Object.fromEntries(
    (await look(id)).targets.map((one: { targetId: string; holds: string }) => [one.targetId, one.holds]),
  );
/** As if it had come into its state so long ago. */
const aged = (id: string, seconds: number) =>
  app.change(`UPDATE portcullis.rollout_moves SET at = at - $2 * interval '1 s' WHERE rollout_id = $1`, [
    id,
    seconds,
  ]);

describe('the rollback of what is completed', () => {
  const completed = async (change: Record<string, unknown>, rules: Record<string, unknown> = {}) => {
    const second = await kit.somebody(`second ${Math.random()}`.replace(' 0.', ''), 'admin');
    const policyId = await kit.policy(olga, { quorum: two, ...rules });
    const rollout = await kit.reviewed(author, policyId, [await kit.target(olga)], change);
    for (const who of [approver, second]) expectStatus(await kit.sign(who, rollout), 200);
    for (const verb of ['arm', 'execute'])
      expectStatus(await kit.post(operator, `/rollouts/${rollout.id}/${verb}`), 200);
    await at.stateIs(rollout.id, 'verifying');
    const passed = { passed: true, comment: 'good' };
    expectStatus(await kit.post(olga, `/rollouts/${rollout.id}/verify`, passed), 200);
    return { rollout, second };
  };
  const signed = (rollout: { recoveryDigest: string }) => ({
    purpose: 'rollback',
    digest: rollout.recoveryDigest,
  });

  it('takes the smaller quorum within the window, and everybody who had to sign the change after it', async () => {
    const { rollout, second } = await completed({ recovery: back({ windowSeconds: 600 }) });
    const none = expectStatus(await order(operator, rollout.id), 409, 'rollout.rollback_unsigned');
    expect(none.data.missing).toEqual([{ count: 1 }]);
    expectStatus(await kit.sign(author, rollout, signed(rollout)), 403, 'rollout.duty_conflict');
    expectStatus(await kit.sign(approver, rollout, signed(rollout)), 200);
    // The window ends before it is ordered: what was signed for the smaller quorum is not enough any more.
    await app.change(
      `UPDATE portcullis.rollouts SET completed_at = completed_at - interval '600 s' WHERE id = $1`,
      [rollout.id],
    );
    const late = expectStatus(await order(operator, rollout.id), 409, 'rollout.rollback_unsigned');
    expect(late.data.missing).toEqual([{ count: 1 }]);
    expect(await at.stateOf(rollout.id)).toBe('completed');
    expect(paths()).toEqual([]);
    expectStatus(await kit.sign(second, rollout, signed(rollout)), 200);
    expectStatus(await order(operator, rollout.id), 200);
    await at.stateIs(rollout.id, 'rolled_back');
  });

  it('takes the quorum that was signed with the plan: another policy, or another window, is another plan', async () => {
    const targets = [await kit.target(olga)];
    const digests = new Set<string>();
    for (const [rules, windowSeconds] of [
      [{}, 600],
      [{}, 601],
      [{ rollbackQuorum: two }, 600],
    ] as const) {
      const policyId = await kit.policy(olga, { quorum: two, ...rules });
      const id = await kit.written(author, policyId);
      const { plan, digest } = await kit.planned(
        author,
        id,
        planOf(targets, { recovery: back({ windowSeconds }) }),
      );
      expect(plan.recovery.windowSeconds).toBe(windowSeconds);
      digests.add(digest);
    }
    expect(digests.size).toBe(3);
    const larger = { quorum: { anyOf: [{ allOf: [{ count: 1 }] }] }, rollbackQuorum: two };
    const refused = await kit.post(olga, '/rollout-policies', { name: 'larger', ...larger });
    expectStatus(refused, 400, 'rollout.bad_policy');
  });

  it('is ordered by nobody who signed it, where the policy keeps approver and executor apart', async () => {
    const separate = [{ one: 'approver', other: 'executor' }];
    const { rollout } = await completed({ recovery: back({ windowSeconds: 600 }) }, { separate });
    expectStatus(await kit.sign(olga, rollout, signed(rollout)), 200);
    const refused = expectStatus(await order(olga, rollout.id), 403, 'rollout.duty_conflict');
    expect(refused.data.duties).toEqual(['approver']);
    expectStatus(await order(operator, rollout.id), 200);
  });

  it('is ordered by nobody without a fresh proof, and by no key', async () => {
    const { rollout } = await completed({ recovery: back({ windowSeconds: 600 }) });
    expectStatus(await kit.sign(approver, rollout, signed(rollout)), 200);
    const tired = await kit.somebody('tired', 'operator');
    await app.change(
      `UPDATE portcullis.sessions SET password_at = now() - interval '301 s' WHERE user_id = $1`,
      [tired.id],
    );
    expectStatus(await order(tired, rollout.id), 401, 'auth.step_up_required');
    const { key } = await app.apiKey(kit.admin, { permissions: ['rollout:recover'] });
    expect((await order({ ...olga, token: key }, rollout.id)).status).toBe(403);
    expect(await at.stateOf(rollout.id)).toBe('completed');
  });
});

describe('the rollback of what is half done', () => {
  /** Two waves; the check of the second fails. */
  async function failed(change: Record<string, unknown> = {}) {
    const targets = [await kit.target(olga), await kit.target(olga), await kit.target(olga)];
    receiver.behaviour = (request, response) =>
      void response.writeHead(request.path === '/bad' ? 503 : 204).end();
    const rollout = await at.executed(
      {
        steps: [call('put', '/put')],
        waves: [
          { targets: [targets[0]], checks: [call('look', '/good', 'http.get')] },
          { targets: [targets[1]], checks: [call('look', '/bad', 'http.get')] },
          { targets: [targets[2]] },
        ],
        recovery: back(),
        ...change,
      },
      {},
      targets,
    );
    await at.stateIs(rollout.id, 'failed_needs_operator');
    receiver.requests.length = 0;
    return { ...rollout, targets };
  }

  it('needs no more than what was signed with the plan for a day, and the whole quorum after that', async () => {
    const rollout = await failed();
    await aged(rollout.id, 86_400);
    const late = expectStatus(await order(operator, rollout.id), 409, 'rollout.rollback_unsigned');
    expect(late.data.missing).toEqual([{ count: 1 }]);
    expect(paths()).toEqual([]);
    const signed = { purpose: 'rollback', digest: rollout.recoveryDigest };
    expectStatus(await kit.sign(approver, rollout, signed), 200);
    expectStatus(await order(operator, rollout.id), 200);
    await at.stateIs(rollout.id, 'rolled_back');

    const soon = await failed();
    await aged(soon.id, 86_000);
    expectStatus(await order(operator, soon.id), 200);
    expect(await at.stateIs(soon.id, 'rolled_back')).toMatchObject({ reason: null });
    expect(await held(soon.id)).toEqual(Object.fromEntries(soon.targets.map((id: string) => [id, 'before'])));
  });

  it('takes back the wave that failed alone where that is asked, and says which target holds which version', async () => {
    const rollout = await failed();
    const [first, second, third] = rollout.targets as [string, string, string];
    expect(await look(rollout.id)).toMatchObject({ recommendation: 'rollback', rollbackTargets: [second] });
    const untouched = expectStatus(
      await order(operator, rollout.id, { targets: [second, third] }),
      400,
      'rollout.rollback_targets',
    );
    expect(untouched.data.targets).toEqual([third]);
    expectStatus(await order(operator, rollout.id, { targets: [second] }), 200);
    expect(await at.stateIs(rollout.id, 'rolled_back')).toMatchObject({ reason: 'partial_boundary' });
    expect(paths()).toEqual(['/back']);
    expect(receiver.requests[0]?.headers['x-portcullis-target']).toBe(second);
    const { targets } = await look(rollout.id);
    expect(Object.fromEntries(targets.map((one: { targetId: string }) => [one.targetId, one]))).toMatchObject(
      {
        [first]: { holds: 'new', version: rollout.digest },
        [second]: { holds: 'before', version: null },
        [third]: { holds: 'before', version: null },
      },
    );
    const released = (await app.records(kit.orgId, 'rollout.target_released')).filter(
      ({ changes }) => changes.rollout.to === rollout.id,
    );
    expect(released).toHaveLength(3);
  });

  it('that fails itself says which target is between, leaves none so, and goes further under the same keys', async () => {
    const rollout = await failed();
    const [first, second] = rollout.targets as [string, string, string];
    let broken = true;
    receiver.behaviour = ({ headers }, response) =>
      void response.writeHead(broken && headers['x-portcullis-target'] === first ? 500 : 204).end();
    expectStatus(await order(operator, rollout.id), 200);
    await at.stateIs(rollout.id, 'failed_needs_operator');
    expect(await held(rollout.id)).toMatchObject({ [first]: 'between', [second]: 'before' });
    expect(await look(rollout.id)).toMatchObject({ recommendation: 'rerun', rollbackTargets: [first] });
    const left = await order(operator, rollout.id, { targets: [second] });
    expect(expectStatus(left, 400, 'rollout.rollback_targets').data.targets).toEqual([first]);
    broken = false;
    expectStatus(await order(operator, rollout.id), 200);
    await at.stateIs(rollout.id, 'rolled_back');
    const keys = receiver.requests.map(({ headers }) => headers['idempotency-key']);
    expect(new Set(keys).size).toBe(2);
    expect(keys).toHaveLength(3);
  });

  it('is never run from a plan that was altered behind the product’s back', async () => {
    const rollout = await failed();
    await app.change(
      `UPDATE portcullis.rollouts SET plan = jsonb_set(plan, '{recovery,steps,0,arguments,url}', to_jsonb($2::text))
        WHERE id = $1`,
      [rollout.id, `${receiver.url}/evil`],
    );
    expectStatus(await order(operator, rollout.id), 200);
    await until(async () => (await kit.read(olga, rollout.id)).reason === 'digest_changed');
    expect(await at.stateOf(rollout.id)).toBe('failed_needs_operator');
    expect(paths()).toEqual([]);
  });

  it('that is irreversible itself needs more people, a fresh backup, and words that were typed', async () => {
    const recovery = {
      kind: 'rollback',
      steps: [{ ...call('destroy it', '/destroy'), effect: 'host_destruction', irreversible: true }],
      windowSeconds: 600,
    };
    const target = await kit.target(olga);
    const rollout = await kit.reviewed(author, await kit.policy(olga), [target], { recovery });
    expect(rollout.irreversible).toBe(true);
    expectStatus(await kit.sign(approver, rollout), 200);
    // One suffices for what can be taken back.
    expect(await at.stateOf(rollout.id)).toBe('in_review');
    const glass = { digest: rollout.digest, justification: 'the house burns', incident: 'INC-1' };
    expectStatus(
      await kit.post(olga, `/rollouts/${rollout.id}/break-glass`, glass),
      403,
      'rollout.break_glass_irreversible',
    );
    expectStatus(await kit.sign(olga, rollout), 200);
    const type = 'urn:portcullis:predicate:backup:v1';
    const backup = () =>
      kit.post(author, '/evidence', { statement: statement(rollout.digest, type, new Date()) });
    expectStatus(await backup(), 201);
    const { confirmation } = rollout;
    expectStatus(await kit.post(operator, `/rollouts/${rollout.id}/confirm`, { confirmation }), 200);
    for (const verb of ['arm', 'execute'])
      expectStatus(await kit.post(operator, `/rollouts/${rollout.id}/${verb}`), 200);
    await at.stateIs(rollout.id, 'verifying');
    // The backup before it was of another day.
    await app.change(`UPDATE portcullis.evidence SET observed_at = observed_at - interval '2 days'`);
    const closed = expectStatus(await order(operator, rollout.id), 409, 'rollout.gates_closed');
    expect(closed.data.gates).toEqual([{ name: 'backup', verdict: 'stale', reason: 'too_old' }]);
    expectStatus(await backup(), 201);
    const asked = expectStatus(await order(operator, rollout.id), 400, 'rollout.confirmation_needed');
    // The words for the way there are not those for the way back.
    expectStatus(await order(operator, rollout.id, { confirmation }), 400, 'rollout.confirmation_needed');
    expect(paths()).toEqual([]);
    expectStatus(await order(operator, rollout.id, asked.data), 200);
    await at.stateIs(rollout.id, 'rolled_back');
    expect(paths()).toEqual(['/destroy']);
  });
});

describe('a rehearsal', () => {
  it('holds for as long as the policy says, of the way back that is signed, on record', async () => {
    const gates = [{ name: 'rehearsed', kind: 'rehearsal', maxAgeSeconds: 600 }];
    const rollout = await kit.reviewed(author, await kit.policy(olga, { gates }), [await kit.target(olga)]);
    expectStatus(await kit.sign(approver, rollout), 200);
    const rehearsed = async () => (await kit.gates(olga, rollout.id))['rehearsed'];
    const give = (ago: number, change: object = {}) =>
      kit.post(author, '/evidence', {
        statement: statement(
          rollout.recoveryDigest,
          'urn:portcullis:predicate:rehearsal:v1',
          new Date(Date.now() - ago * 1000),
          { ...change },
        ),
      });
    expectStatus(await give(601), 201);
    expect(await rehearsed()).toMatchObject({ verdict: 'stale', reason: 'too_old' });
    expectStatus(await at.arm(rollout.id), 409, 'rollout.gates_closed');
    expectStatus(await give(500), 201);
    expect(await rehearsed()).toMatchObject({ verdict: 'pass' });
    expectStatus(await give(400, { verificationResult: 'FAILED' }), 201);
    expect(await rehearsed()).toMatchObject({ verdict: 'fail' });
    expectStatus(await give(300), 201);
    expectStatus(await at.arm(rollout.id), 200);
    // Another way back was not rehearsed.
    await kit.planned(
      author,
      rollout.id,
      planOf(
        rollout.plan.targets.map((one: { id: string }) => one.id),
        {
          recovery: { kind: 'rollback', steps: [noop('otherwise')] },
        },
      ),
    );
    expect(await rehearsed()).toMatchObject({ verdict: 'inconclusive' });
    const recorded = await app.records(kit.orgId, 'evidence.recorded');
    expect(recorded.filter(({ changes }) => changes.predicateType.to.includes('rehearsal'))).toHaveLength(4);
  });
});
