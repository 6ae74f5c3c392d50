import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type AppInProcess, expectStatus } from '../../test/kit/app-in-process.ts';
import { startRollouts } from '../../test/kit/rollout-people.ts';
import { planOf, type RolloutKit, type Somebody, two } from '../../test/kit/rollouts.ts';
import { Rollouts } from './lifecycle/rollouts.ts';

/** What signing is worth over time: denials, ends, authority that was lost; and that a move is whole or not at all. */
let app: AppInProcess;
let kit: RolloutKit;
let olga: Somebody;
let author: Somebody;
let first: Somebody;
let second: Somebody;
let operator: Somebody;

beforeAll(async () => {
  ({ app, kit, olga, author, operator } = await startRollouts());
  first = await kit.somebody('first', 'admin');
  second = await kit.somebody('second', 'admin');
});
afterAll(() => app.close());
afterEach(() => app.clock.reset());

const reviewed = async (rules: Record<string, unknown> = {}) =>
  kit.reviewed(author, await kit.policy(olga, rules), [await kit.target(olga)]);
const arm = (id: string) => kit.post(operator, `/rollouts/${id}/arm`);
const execute = (id: string) => kit.post(operator, `/rollouts/${id}/execute`);
const stateOf = async (id: string): Promise<string> => (await kit.read(olga, id)).state;
const deny = { decision: 'deny', comment: 'not so' };
const member = async (who: Somebody, body: object) =>
  expectStatus(await app.ask('PATCH', `${kit.at}/members/${who.id}`, { token: olga.token, body }), 200);

describe('a review', () => {
  it('opens on a sealed plan only', async () => {
    const id = await kit.written(author, await kit.policy(olga));
    expectStatus(await kit.post(author, `/rollouts/${id}/review`), 409, 'rollout.not_ready');
    await kit.planned(author, id, planOf([await kit.target(olga)]));
    expectStatus(await kit.post(author, `/rollouts/${id}/review`), 200);
    expectStatus(await kit.post(author, `/rollouts/${id}/review`), 409, 'rollout.wrong_state');
  });

  it('ends by as many denials as the policy says, and one person has one', async () => {
    const rollout = await reviewed({ denials: 2 });
    expectStatus(await kit.sign(first, rollout, deny), 200);
    expectStatus(await kit.sign(first, rollout, deny), 200);
    expect(await stateOf(rollout.id)).toBe('in_review');
    expectStatus(await kit.sign(second, rollout, deny), 200);
    expect(await stateOf(rollout.id)).toBe('rejected');
  });

  it('counts a denial that is older than an approval may be', async () => {
    const rollout = await reviewed({ denials: 2, approvalSeconds: 60 });
    expectStatus(await kit.sign(first, rollout, deny), 200);
    app.clock.advance(61_000);
    expectStatus(await kit.sign(second, rollout, deny), 200);
    expect(await stateOf(rollout.id)).toBe('rejected');
  });

  it.each(['approved', 'armed'])('is still denied once it is %s', async (state) => {
    const rollout = await reviewed({ consensus: true });
    expectStatus(await kit.sign(first, rollout), 200);
    if (state === 'armed') expectStatus(await arm(rollout.id), 200);
    expect(await stateOf(rollout.id)).toBe(state);
    expectStatus(await kit.sign(second, rollout), 409, 'rollout.wrong_state');
    expectStatus(await kit.sign(second, rollout, deny), 200);
    expect(await stateOf(rollout.id)).toBe('rejected');
  });

  it('and an approval and an armed rollout that are over expire; waiting approves nothing', async () => {
    const rules = { quorum: two, reviewSeconds: 60, approvalSeconds: 120 };
    const waiting = await reviewed(rules);
    const half = await reviewed(rules);
    expectStatus(await kit.sign(first, half), 200);
    const approved = await reviewed({ approvalSeconds: 60 });
    const armed = await reviewed({ approvalSeconds: 60 });
    for (const { id, digest } of [approved, armed]) expectStatus(await kit.sign(first, { id, digest }), 200);
    expectStatus(await arm(armed.id), 200);
    const all = [waiting, half, approved, armed];
    const states = () => Promise.all(all.map(({ id }) => stateOf(id)));
    app.clock.advance(59_000);
    await app.app.get(Rollouts).expire();
    const open = ['in_review', 'in_review', 'approved', 'armed'];
    expect(await states()).toEqual(open);
    app.clock.advance(2_000);
    expectStatus(await kit.sign(second, half), 409, 'rollout.expired');
    expect(await states()).toEqual(open);
    await app.app.get(Rollouts).expire();
    expect(await states()).toEqual(['expired', 'expired', 'expired', 'expired']);
    for (const { id, digest } of all) {
      expectStatus(await kit.sign(second, { id, digest }), 409, 'rollout.wrong_state');
      expectStatus(await execute(id), 409, 'rollout.wrong_state');
    }
  });
});

describe('at executing', () => {
  it('the approval of an account that was disabled counts no longer', async () => {
    const leaver = await kit.somebody('leaver', 'admin');
    const rollout = await reviewed();
    expectStatus(await kit.sign(leaver, rollout), 200);
    expectStatus(await arm(rollout.id), 200);
    await member(leaver, { status: 'disabled' });
    const refused = expectStatus(await execute(rollout.id), 409, 'rollout.gates_closed');
    expect(refused.data.gates).toEqual([{ name: 'sign_off', verdict: 'fail', reason: 'quorum_not_met' }]);
    expect(await kit.read(olga, rollout.id)).toMatchObject({ state: 'suspended', reason: 'quorum_lost' });
    expectStatus(await execute(rollout.id), 409, 'rollout.wrong_state');
  });

  it('an approver who holds another role fills the seat of the one before no longer', async () => {
    const rollout = await reviewed({ quorum: { anyOf: [{ allOf: [{ count: 1, role: 'admin' }] }] } });
    const mover = await kit.somebody('mover', 'admin');
    expectStatus(await kit.sign(mover, rollout), 200);
    expectStatus(await arm(rollout.id), 200);
    const role = { name: `signers ${rollout.id}`, permissions: ['rollout:sign-off', 'rollout:read'] };
    const { id: roleId } = expectStatus(await kit.post(olga, '/roles', role), 201);
    await member(mover, { roleId });
    expectStatus(await execute(rollout.id), 409, 'rollout.gates_closed');
  });

  it('what a person said at a gate by hand holds while they may say it', async () => {
    const gates = [{ name: 'window', kind: 'manual', role: 'admin' }];
    const rollout = await reviewed({ gates });
    const sayer = await kit.somebody('sayer', 'admin');
    expectStatus(await kit.sign(first, rollout), 200);
    const said = { verdict: 'pass', digest: rollout.digest, comment: 'ok' };
    expectStatus(await kit.post(sayer, `/rollouts/${rollout.id}/gates/window`, said), 200);
    expectStatus(await arm(rollout.id), 200);
    const gate = async () => (await kit.gates(olga, rollout.id))['window'];
    const role = { name: `sayers ${rollout.id}`, permissions: ['rollout:sign-off', 'rollout:read'] };
    const { id: roleId } = expectStatus(await kit.post(olga, '/roles', role), 201);
    for (const [lost, back] of [
      [{ roleId }, { role: 'admin' }],
      [{ role: 'operator' }, { role: 'admin' }],
      [{ status: 'disabled' }, { status: 'active' }],
    ] as const) {
      await member(sayer, lost);
      expect(await gate()).toMatchObject({ verdict: 'inconclusive', reason: 'no_longer_theirs' });
      expectStatus(await execute(rollout.id), 409, 'rollout.gates_closed');
      await member(sayer, back);
      expect(await gate()).toMatchObject({ verdict: 'pass' });
    }
    expectStatus(await kit.post(olga, '/rollout-persons', { userId: sayer.id, sameAs: author.id }), 204);
    expect(await gate()).toMatchObject({ verdict: 'inconclusive', reason: 'no_longer_theirs' });
  });
});

describe('a move', () => {
  const moved = async (id: string) =>
    (await app.records(kit.orgId, 'rollout.moved')).filter(({ target }) => target.id === id).length;
  const published = async (id: string) =>
    (
      await app.sql(`SELECT 1 FROM portcullis.events WHERE body LIKE '%rollout.moved%' AND body LIKE $1`, [
        `%${id}%`,
      ])
    ).length;
  const historyOf = async (id: string): Promise<number> =>
    expectStatus(await kit.get(olga, `/rollouts/${id}/history`), 200).items.length;

  it('is state, history, record and event at once', async () => {
    const { id } = await reviewed();
    expect(await stateOf(id)).toBe('in_review');
    expect([await historyOf(id), await moved(id), await published(id)]).toEqual([2, 2, 2]);
  });

  it.each(['rollout_moves', 'audit_events', 'events'])(
    'that cannot be written to %s is none: nothing else of it is there',
    async (table) => {
      const { id } = await reviewed();
      const before = [await stateOf(id), await historyOf(id), await moved(id), await published(id)];
      await app.sql(`ALTER TABLE portcullis.${table} ADD CONSTRAINT no_more CHECK (false) NOT VALID`);
      const refused = await kit.post(author, `/rollouts/${id}/withdraw`, { reason: 'x' });
      await app.sql(`ALTER TABLE portcullis.${table} DROP CONSTRAINT no_more`);
      expect(refused.status).toBeGreaterThanOrEqual(400);
      expect(refused.body.code).not.toMatch(/^rollout\./);
      expect([await stateOf(id), await historyOf(id), await moved(id), await published(id)]).toEqual(before);
      expectStatus(await kit.post(author, `/rollouts/${id}/withdraw`, { reason: 'x' }), 200);
    },
  );

  it('to executing and the job that goes on with it are one', async () => {
    const rollout = await reviewed();
    expectStatus(await kit.sign(first, rollout), 200);
    expectStatus(await arm(rollout.id), 200);
    const [jobs] = await app.sql(
      `SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name FROM pg_class c
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = 'job' AND c.relkind IN ('r', 'p')`,
    );
    await app.sql(
      `ALTER TABLE ${jobs!['name']} ADD CONSTRAINT no_more CHECK (name <> 'rollout_advance') NOT VALID`,
    );
    const refused = await execute(rollout.id);
    await app.sql(`ALTER TABLE ${jobs!['name']} DROP CONSTRAINT no_more`);
    expect(refused.status).toBeGreaterThanOrEqual(400);
    expect(refused.body.code).not.toMatch(/^rollout\./);
    expect(await kit.read(olga, rollout.id)).toMatchObject({ state: 'armed', begunAt: null });
    const { items } = expectStatus(await kit.get(olga, '/rollout-targets'), 200);
    expect(items.filter(({ lockedBy }: { lockedBy: string | null }) => lockedBy === rollout.id)).toEqual([]);
    expectStatus(await execute(rollout.id), 200);
  });
});
