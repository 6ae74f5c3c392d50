import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AppInProcess, expectStatus, until, owner } from '../../test/kit/app-in-process.ts';
import { accept, answer, type HttpReceiver } from '../../test/kit/http-receiver.ts';
import {
  noop,
  oneOf,
  planOf,
  type RolloutKit,
  type Somebody,
  statement,
  two,
} from '../../test/kit/rollouts.ts';
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

describe('irreversible steps', () => {
  const irreversible = [noop('wipe', { effect: 'host_destruction', irreversible: true })];

  it('need more people, a fresh backup and words that were typed', async () => {
    const policyId = await kit.policy(olga);
    const targets = [await kit.target(olga)];
    const rollout = await kit.reviewed(author, policyId, targets, { steps: irreversible });
    const arm = () => kit.post(operator, `/rollouts/${rollout.id}/arm`);
    expectStatus(await kit.sign(approver, rollout), 200);
    expect((await kit.read(olga, rollout.id)).state).toBe('in_review');
    expectStatus(await kit.sign(olga, rollout), 200);
    const closed = expectStatus(await arm(), 409, 'rollout.gates_closed');
    expect(closed.data.gates.map((gate: { name: string }) => gate.name)).toEqual(['backup', 'confirmation']);
    const backup = (at: number) =>
      statement(rollout.digest, 'urn:portcullis:predicate:backup:v1', new Date(at));
    expectStatus(await kit.post(author, '/evidence', { statement: backup(Date.now() - 90_000_000) }), 201);
    expect((await kit.gates(olga, rollout.id))['backup']).toMatchObject({ verdict: 'stale' });
    expectStatus(await kit.post(author, '/evidence', { statement: backup(Date.now()) }), 201);
    const confirm = (confirmation: string) =>
      kit.post(operator, `/rollouts/${rollout.id}/confirm`, { confirmation });
    const asked = expectStatus(await confirm('yes'), 400, 'rollout.confirmation_needed');
    expectStatus(await arm(), 409, 'rollout.gates_closed');
    expectStatus(await confirm(asked.data.confirmation), 200);
    expectStatus(await arm(), 200);
  });

  it('run by no break-glass', async () => {
    const rollout = await kit.reviewed(author, await kit.policy(olga), [await kit.target(olga)], {
      steps: irreversible,
    });
    const glass = { digest: rollout.digest, justification: 'the house burns', incident: 'INC-1' };
    const refused = await kit.post(olga, `/rollouts/${rollout.id}/break-glass`, glass);
    expectStatus(refused, 403, 'rollout.break_glass_irreversible');
  });
});

describe('what is never automated unconditionally', () => {
  it.each([
    ['host_destruction', 'rollout.forbidden_destruction'],
    ['secret_provisioning_from_repository', 'rollout.forbidden_secret_provisioning'],
    ['business_action', 'rollout.forbidden_business_action'],
  ])('is refused by its class: %s', async (effect, code) => {
    const targets = [await kit.target(olga)];
    const id = await kit.written(author, await kit.policy(olga));
    const plan = (steps: object[], recovery: object = { kind: 'rollback', steps: [noop('back')] }) =>
      kit.put(author, `/rollouts/${id}/plan`, planOf(targets, { steps, recovery }));
    expectStatus(await plan([noop('x', { effect })]), 403, code);
    // Nor on the way back.
    const recovery = { kind: 'rollback', steps: [noop('x', { effect })] };
    expectStatus(await plan([noop('x')], recovery), 403, code);
    if (effect !== 'host_destruction')
      expectStatus(await plan([noop('x', { effect, irreversible: true })]), 403, code);
    expect(await kit.read(olga, id)).toMatchObject({ state: 'draft', digest: null });
  });

  it('nor is a step whose command does not exist, or that claims to be repeatable and is not', async () => {
    const id = await kit.written(author, await kit.policy(olga));
    const targets = [await kit.target(olga)];
    const plan = (step: object) =>
      kit.put(author, `/rollouts/${id}/plan`, planOf(targets, { steps: [step] }));
    expectStatus(await plan({ name: 'x', command: 'sh' }), 400, 'rollout.unknown_command');
    expectStatus(
      await plan({ ...stage.call('x', '/', 'http.post'), idempotent: true }),
      400,
      'rollout.bad_plan',
    );
    const secret = { name: 'x', command: 'http.put', arguments: { url: 'https://a:b@x.example/' } };
    expectStatus(await plan(secret), 400, 'rollout.bad_plan');
  });
});

describe('a break-glass', () => {
  it('runs what nobody signed, for a time, on record, and has to be reviewed by somebody else', async () => {
    const rollout = await kit.reviewed(author, await kit.policy(olga, { quorum: two }), [
      await kit.target(olga),
    ]);
    const glass = {
      digest: rollout.digest,
      justification: 'the house burns',
      incident: 'INC-7',
      seconds: 86_400,
    };
    expectStatus(
      await kit.post(approver, `/rollouts/${rollout.id}/break-glass`, glass),
      403,
      'access.denied',
    );
    expectStatus(await kit.post(olga, `/rollouts/${rollout.id}/break-glass`, glass), 200);
    await stage.stateIs(rollout.id, 'verifying');
    const { items } = expectStatus(await kit.get(olga, '/break-glass'), 200);
    expect(items[0]).toMatchObject({
      rolloutId: rollout.id,
      needed: true,
      reviewState: 'due',
      openedBy: olga.id,
    });
    const lasts = Date.parse(items[0].endsAt) - Date.parse(items[0].openedAt);
    expect(lasts).toBe(3_600_000);
    const [record] = await app.records(kit.orgId, 'rollout_break_glass.opened');
    expect(record.changes).toMatchObject({ needed: { to: true }, closedGates: { to: ['sign_off'] } });
    expect(record.leaf).not.toContain('INC-7');
    const review = (who: Somebody) =>
      kit.post(who, `/break-glass/${items[0].id}/review`, { review: 'it was right to do so' });
    expectStatus(await review(olga), 403, 'rollout.duty_conflict');
    expectStatus(await review(approver), 200);
    expectStatus(await review(approver), 409, 'rollout.break_glass_reviewed');
  });

  it('is on record also where it was not needed', async () => {
    const rollout = await stage.armed();
    const glass = { digest: rollout.digest, justification: 'I was in a hurry', incident: 'none' };
    expectStatus(await kit.post(olga, `/rollouts/${rollout.id}/break-glass`, glass), 200);
    const { items } = expectStatus(await kit.get(olga, '/break-glass'), 200);
    expect(items[0]).toMatchObject({ rolloutId: rollout.id, needed: false });
  });

  it('opens gates, not what changed, is held by another, or was not seen', async () => {
    const targets = [await kit.target(olga)];
    const rollout = await kit.reviewed(author, await kit.policy(olga), targets);
    const open = (digest: string) =>
      kit.post(olga, `/rollouts/${rollout.id}/break-glass`, {
        digest,
        justification: 'because of it',
        incident: 'x',
      });
    expectStatus(await open('sha256:other'), 409, 'rollout.digest_changed');
    await kit.report(olga, targets[0]!, 'sha256:something-else');
    expectStatus(await open(rollout.digest), 409, 'rollout.diverged');
  });
});

describe('residual risk', () => {
  it('keeps a rollout back once its acceptance has ended, or is of another plan', async () => {
    const policyId = await kit.policy(olga);
    const targets = [await kit.target(olga)];
    const rollout = await kit.reviewed(author, policyId, targets);
    const raised = { rolloutId: rollout.id, statement: 'x', treatment: 'mitigate', rationale: 'x' };
    const rated = { ...raised, likelihood: 3, consequence: 4 };
    const risk = expectStatus(await kit.post(author, '/risks', rated), 201);
    const gate = async () => (await kit.gates(olga, rollout.id))['residual_risk']?.reason;
    expect(await gate()).toBe('risk_not_accepted');
    const accepted = (who: Somebody, seconds = 600) =>
      kit.post(who, `/risks/${risk.id}/acceptance`, {
        validUntil: new Date(Date.now() + seconds * 1000).toISOString(),
      });
    expectStatus(await accepted(author), 403);
    expectStatus(await accepted(olga), 200);
    expect(await gate()).toBe('risks_accepted');
    app.clock.advance(601_000);
    const again = { ...olga, token: (await app.signIn(owner, 'acme')).accessToken };
    expect(expectStatus(await kit.get(again, '/risks?status=expired'), 200).items).toHaveLength(1);
    expect((await kit.gates(again, rollout.id))['residual_risk']?.reason).toBe('acceptance_expired');
    app.clock.reset();
    expectStatus(await accepted(olga), 200);
    await kit.planned(author, rollout.id, planOf(targets, { environment: 'other' }));
    expect(await gate()).toBe('risk_accepted_for_another_plan');
    const { rolloutId: _, ...rate } = rated;
    expectStatus(
      await app.ask('PUT', `${kit.at}/risks/${risk.id}`, {
        token: author.token,
        body: { ...rate, consequence: 5, likelihood: 5 },
      }),
      200,
    );
    expect(await gate()).toBe('critical_risk');
    expectStatus(await accepted(olga), 409, 'rollout.risk_critical');
    expectStatus(await kit.post(author, `/risks/${risk.id}/close`, { reason: 'gone' }), 403);
    expectStatus(await kit.post(olga, `/risks/${risk.id}/close`, { reason: 'gone' }), 200);
    expect(await gate()).toBe('risks_accepted');
    const page = await kit.get(olga, '/risks/report');
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(String(page.body)).toContain('gone');
  });
});

describe('gates of a policy', () => {
  const gateOf = async (id: string, name: string) => (await kit.gates(olga, id))[name];

  it('by hand count from who has the role, of the plan that they saw, and not from the author', async () => {
    const gates = [{ name: 'window', kind: 'manual', role: 'admin' }];
    const writer = await kit.somebody('writer', 'admin');
    const rollout = await kit.reviewed(writer, await kit.policy(olga, { gates }), [await kit.target(olga)]);
    const say = (who: Somebody, change: object = {}) =>
      kit.post(who, `/rollouts/${rollout.id}/gates/window`, {
        verdict: 'pass',
        digest: rollout.digest,
        comment: 'ok',
        ...change,
      });
    expectStatus(await say(writer), 403, 'rollout.duty_conflict');
    expectStatus(await say(olga), 403, 'rollout.gate_not_yours');
    expectStatus(await say(approver, { digest: 'sha256:other' }), 409, 'rollout.digest_changed');
    expect(await gateOf(rollout.id, 'window')).toMatchObject({ verdict: 'inconclusive' });
    expectStatus(await say(approver), 200);
    expect(await gateOf(rollout.id, 'window')).toMatchObject({ verdict: 'pass' });
    expectStatus(
      await kit.post(approver, `/rollouts/${rollout.id}/gates/other`, {
        verdict: 'pass',
        digest: rollout.digest,
        comment: 'x',
      }),
      404,
      'rollout.gate_not_found',
    );
  });

  it('by a check pass where the command does', async () => {
    const gates = [
      { name: 'up', kind: 'check', command: 'http.get', arguments: { url: `${receiver.url}/up` } },
    ];
    const rollout = await kit.reviewed(author, await kit.policy(olga, { gates }), [await kit.target(olga)]);
    const check = () => kit.post(author, `/rollouts/${rollout.id}/gates/up/check`);
    receiver.behaviour = answer(500);
    expectStatus(await check(), 202);
    await until(async () => (await gateOf(rollout.id, 'up'))?.verdict === 'fail');
    receiver.behaviour = accept;
    expectStatus(await check(), 202);
    await until(async () => (await gateOf(rollout.id, 'up'))?.verdict === 'pass');
    const bad = { gates: [{ name: 'up', kind: 'check', command: 'http.put', arguments: {} }] };
    expectStatus(
      await kit.post(olga, '/rollout-policies', { name: 'bad', quorum: oneOf, ...bad }),
      400,
      'rollout.bad_policy',
    );
  });

  it('by posture pass where every surface is ready and that holds still', async () => {
    const gates = [{ name: 'ready', kind: 'posture' }];
    const surfaceId = '01920000-0000-7000-8000-000000000001';
    const target = await kit.target(olga, { kind: 'surface', surfaceId });
    const rollout = await kit.reviewed(author, await kit.policy(olga, { gates }), [target]);
    const reason = async () => (await gateOf(rollout.id, 'ready'))?.reason;
    const say = (verdict: string, seconds: number) =>
      stage.postures.said.set(surfaceId, { verdict, validUntil: new Date(Date.now() + seconds * 1000) });
    expect(await reason()).toBe('posture_unknown');
    say('ready', 60);
    expect(await reason()).toBe('posture_ready');
    say('review-required', 60);
    expect(await reason()).toBe('posture_not_ready');
    say('ready', -1);
    expect(await reason()).toBe('posture_stale');
  });

  it('by a rehearsal are of the way back, and of the one that is signed', async () => {
    const gates = [{ name: 'rehearsed', kind: 'rehearsal', maxAgeSeconds: 86_400 }];
    const rollout = await kit.reviewed(author, await kit.policy(olga, { gates }), [await kit.target(olga)]);
    const type = 'urn:portcullis:predicate:rehearsal:v1';
    const give = (digest: string) =>
      kit.post(author, '/evidence', { statement: statement(digest, type, app.clock.now()) });
    expectStatus(await give(rollout.digest), 201);
    expect(await gateOf(rollout.id, 'rehearsed')).toMatchObject({ verdict: 'inconclusive' });
    expectStatus(await give(rollout.recoveryDigest), 201);
    expect(await gateOf(rollout.id, 'rehearsed')).toMatchObject({ verdict: 'pass' });
  });

  it('in a dry run are shown and keep nothing back', async () => {
    const gates = [{ name: 'board', kind: 'manual', dryRun: true }];
    const { id } = await stage.armed({}, { gates });
    expect(await gateOf(id, 'board')).toMatchObject({ verdict: 'inconclusive' });
    expectStatus(await kit.post(operator, `/rollouts/${id}/execute`), 200);
  });
});
