import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AppInProcess, expectStatus, until } from '../../test/kit/app-in-process.ts';
import { accept, answer, type HttpReceiver } from '../../test/kit/http-receiver.ts';
import { type RolloutKit, type Somebody } from '../../test/kit/rollouts.ts';
import { type ReceivedRollouts, startReceivedRollouts } from '../../test/kit/rollout-people.ts';

let stage: ReceivedRollouts;
let app: AppInProcess;
let kit: RolloutKit;
let receiver: HttpReceiver;
let olga: Somebody;
let author: Somebody;
let approver: Somebody;
let operator: Somebody;

beforeAll(async () => {
  stage = await startReceivedRollouts();
  ({ app, kit, receiver, olga, author, approver, operator } = stage);
});
afterAll(() => stage.stop());
beforeEach(() => stage.reset());

const paths = (): string[] => receiver.requests.map(({ path }) => path);
const repair = (id: string, said: string) =>
  kit.post(operator, `/rollouts/${id}/repair`, { answer: said, reason: 'looked at it' });
const rollback = (id: string) => kit.post(operator, `/rollouts/${id}/rollback`, { reason: 'x' });

describe('carrying out', () => {
  it('does every step of every target once, wave by wave, in order', async () => {
    const targets = [await kit.target(olga), await kit.target(olga), await kit.target(olga)];
    const [a, b, c] = targets;
    const waves = [
      { targets: [b], checks: [stage.call('look', '/check', 'http.get')] },
      { targets: [a, c], bakeSeconds: 1, checks: [stage.call('look again', '/check2', 'http.get')] },
    ];
    const steps = [stage.call('one', '/1', 'http.post'), stage.call('two', '/2')];
    const { id } = await stage.executed({ waves, steps }, {}, targets);
    await stage.stateIs(id, 'verifying');
    expect(paths()).toEqual(['/1', '/2', '/check', '/1', '/2', '/1', '/2', '/check2']);
    const seen = receiver.requests.map(({ headers }) => headers['x-portcullis-target']);
    expect(seen).toEqual([b, b, undefined, a, a, c, c, undefined]);
    const keys = receiver.requests.map(({ headers }) => headers['idempotency-key']);
    expect(new Set(keys).size).toBe(8);
    const journal = await kit.steps(olga, id);
    expect(journal.map(({ state, runs }) => [state, runs])).toEqual(
      Array.from({ length: 8 }, () => ['succeeded', 1]),
    );
    const started = (await app.records(kit.orgId, 'rollout.step_started')).filter(
      (one) => one.target.id === id,
    );
    expect(started).toHaveLength(8);
  });

  it('looks again as often as the check may fail, and no more', async () => {
    const limited = (failureLimit: number, targets: string[]) => ({
      waves: [{ targets, failureLimit, checks: [stage.call('look', '/check', 'http.get')] }],
    });
    const first = [await kit.target(olga)];
    let failures = 2;
    receiver.behaviour = (request, response) => {
      failures -= 1;
      response.statusCode = failures >= 0 && request.path === '/check' ? 503 : 200;
      response.end();
    };
    const { id } = await stage.executed(limited(2, first), {}, first);
    await stage.stateIs(id, 'verifying');
    expect(paths()).toHaveLength(3);
    receiver.requests.length = 0;
    receiver.behaviour = answer(503);
    const second = [await kit.target(olga)];
    const failing = await stage.executed(limited(1, second), {}, second);
    expect(await stage.stateIs(failing.id, 'failed_needs_operator')).toMatchObject({
      reason: 'check_failed',
    });
    expect(paths()).toHaveLength(2);
  });

  it('never sends a post again of which nobody knows whether it arrived', async () => {
    receiver.behaviour = (_request, response) => void response.destroy();
    const { id } = await stage.executed({ steps: [stage.call('charge', '/once', 'http.post')] });
    expect(await stage.stateIs(id, 'failed_needs_operator')).toMatchObject({ reason: 'step_unknown' });
    const look = expectStatus(await kit.get(operator, `/rollouts/${id}/recovery`), 200);
    expect(look).toMatchObject({
      recommendation: 'answer',
      unit: 0,
      targets: [{ holds: 'between', version: null }],
    });
    expect(look.question).toContain('Did the step “charge”');
    receiver.behaviour = accept;
    expectStatus(await repair(id, 'done'), 200);
    await stage.stateIs(id, 'verifying');
    expect(paths()).toEqual(['/once']);
  });

  it('sends it again where an operator says that it did not happen, under the same key', async () => {
    receiver.behaviour = (_request, response) => void response.destroy();
    const { id } = await stage.executed({ steps: [stage.call('charge', '/once', 'http.post')] });
    await stage.stateIs(id, 'failed_needs_operator');
    receiver.behaviour = accept;
    expectStatus(await repair(id, 'not_done'), 200);
    await stage.stateIs(id, 'verifying');
    const [first, second] = receiver.requests.map(({ headers }) => headers['idempotency-key']);
    expect(first).toBe(second);
  });

  it('answers what a check found by nothing but the check', async () => {
    receiver.behaviour = answer(500);
    const targets = [await kit.target(olga)];
    const { id } = await stage.executed(
      { waves: [{ targets, checks: [stage.call('look', '/c', 'http.get')] }] },
      {},
      targets,
    );
    await stage.stateIs(id, 'failed_needs_operator');
    expectStatus(await repair(id, 'done'), 409, 'rollout.rerun_not_safe');
    receiver.behaviour = accept;
    expectStatus(await repair(id, 'not_done'), 200);
    await stage.stateIs(id, 'verifying');
  });

  it('is paused between steps, and goes on where it was', async () => {
    let go: () => void = () => undefined;
    const waiting = new Promise<void>((resolve) => (go = resolve));
    receiver.behaviour = async (_request, response) => {
      if (receiver.requests.length === 1) await waiting;
      response.end();
    };
    const { id } = await stage.executed({ steps: [stage.call('one', '/1'), stage.call('two', '/2')] });
    await until(async () => receiver.requests.length === 1);
    expectStatus(await kit.post(operator, `/rollouts/${id}/pause`, { reason: 'lunch' }), 200);
    expectStatus(await kit.post(operator, `/rollouts/${id}/resume`), 409, 'rollout.not_ready');
    expectStatus(await rollback(id), 409, 'rollout.not_ready');
    go();
    await until(async () => (await kit.steps(olga, id))[0]?.state === 'succeeded');
    expect(await kit.steps(olga, id)).toHaveLength(1);
    expectStatus(await kit.post(operator, `/rollouts/${id}/resume`), 200);
    await stage.stateIs(id, 'verifying');
    expect(paths()).toEqual(['/1', '/2']);
  });

  it('stops before a target that changed meanwhile', async () => {
    const targets = [await kit.target(olga), await kit.target(olga)];
    receiver.behaviour = async (_request, response) => {
      await kit.report(olga, targets[1]!, 'sha256:somebody-was-here');
      response.end();
    };
    const { id } = await stage.executed({ steps: [stage.call('one', '/1')] }, {}, targets);
    expect(await stage.stateIs(id, 'failed_needs_operator')).toMatchObject({ reason: 'diverged' });
    expect(paths()).toEqual(['/1']);
  });

  it('starts no wave in a freeze that began meanwhile', async () => {
    const targets = [await kit.target(olga), await kit.target(olga)];
    const waves = targets.map((target) => ({ targets: [target] }));
    receiver.behaviour = async (_request, response) => {
      const start = new Date(Date.now() - 60_000).toISOString().replaceAll(/[-:]|\.\d+Z/g, '');
      const freeze = { name: `f ${targets[1]}`, start, timeZone: 'UTC', durationSeconds: 3600, targets };
      await kit.post(olga, '/freezes', freeze);
      response.end();
    };
    const { id } = await stage.executed({ waves, steps: [stage.call('one', '/1')] }, {}, targets);
    expect(await stage.stateIs(id, 'suspended')).toMatchObject({ reason: 'frozen' });
    expectStatus(await kit.post(operator, `/rollouts/${id}/resume`), 409, 'rollout.gates_closed');
    expect(paths()).toEqual(['/1']);
    // The way back is open: that is what it is for.
    expectStatus(await rollback(id), 200);
    await stage.stateIs(id, 'rolled_back');
  });
});

describe('a completed rollout', () => {
  const complete = async (recovery: object) => {
    const rollout = await stage.executed({ recovery });
    await stage.stateIs(rollout.id, 'verifying');
    const passed = { passed: true, comment: 'good' };
    expectStatus(await kit.post(olga, `/rollouts/${rollout.id}/verify`, passed), 200);
    return rollout;
  };

  it('is rolled back within its window by the smaller quorum, and by nobody alone', async () => {
    const recovery = { kind: 'rollback', steps: [stage.call('back', '/back')], windowSeconds: 600 };
    const rollout = await complete(recovery);
    expectStatus(await rollback(rollout.id), 409, 'rollout.rollback_unsigned');
    const signed = { purpose: 'rollback', digest: rollout.recoveryDigest };
    expectStatus(await kit.sign(author, rollout, signed), 403);
    expectStatus(await kit.sign(approver, rollout, { purpose: 'rollback' }), 409, 'rollout.digest_changed');
    expectStatus(await kit.sign(approver, rollout, signed), 200);
    expectStatus(await rollback(rollout.id), 200);
    await stage.stateIs(rollout.id, 'rolled_back');
    expect(paths()).toEqual(['/back']);
  });

  it('is verified by nobody who may not have both duties', async () => {
    const separate = [{ one: 'executor', other: 'verifier' }];
    const policyId = await kit.policy(olga, { separate });
    const rollout = await kit.reviewed(author, policyId, [await kit.target(olga)]);
    expectStatus(await kit.sign(approver, rollout), 200);
    expectStatus(await kit.post(olga, `/rollouts/${rollout.id}/arm`), 200);
    expectStatus(await kit.post(olga, `/rollouts/${rollout.id}/execute`), 200);
    await stage.stateIs(rollout.id, 'verifying');
    const body = { passed: true, comment: 'x' };
    expectStatus(await kit.post(olga, `/rollouts/${rollout.id}/verify`, body), 403, 'rollout.duty_conflict');
  });
});
