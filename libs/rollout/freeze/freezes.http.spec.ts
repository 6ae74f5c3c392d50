import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { expectStatus, until } from '../../../test/kit/app-in-process.ts';
import { type Rollouts, startRollouts } from '../../../test/kit/rollout-people.ts';
import { noop, type Somebody, two } from '../../../test/kit/rollouts.ts';
import { asRole } from '../../../test/kit/sql.ts';

/** What a freeze keeps back, who may lift it for one plan, and that nobody changes it while it is in force. */
let at: Rollouts;
let app: Rollouts['app'];
let kit: Rollouts['kit'];
let olga: Somebody;
let author: Somebody;
let approver: Somebody;
let operator: Somebody;
beforeAll(async () => {
  at = await startRollouts();
  ({ app, kit, olga, author, approver, operator } = at);
});
afterAll(() => app.close());
afterEach(() => app.clock.reset());

const local = (secondsAhead: number): string =>
  new Date(Date.now() + secondsAhead * 1000).toISOString().replaceAll(/[-:]|\.\d+Z/g, '');
let made = 0;
const set = (change: Record<string, unknown> = {}) =>
  kit.post(olga, '/freezes', {
    name: `freeze ${(made += 1)}`,
    start: local(-60),
    timeZone: 'UTC',
    durationSeconds: 3_600,
    ...change,
  });
const reason = async (id: string) => (await kit.gates(olga, id))['freeze']?.reason;

describe('a freeze', () => {
  it('that nobody can compute is refused, with what is wrong with it', async () => {
    for (const [path, change] of [
      ['timeZone', { timeZone: 'Nowhere/Town' }],
      ['start', { start: '20260230T000000' }],
      ['rule', { rule: 'FREQ=DAILY;EXDATE=20260101' }],
      ['rule', { rule: 'FREQ=HOURLY', durationSeconds: 3_600 }],
    ] as const) {
      const refused = expectStatus(await set(change), 400, 'rollout.freeze_bad');
      expect(refused.errors.map((one: { path: string }) => one.path)).toEqual([path]);
    }
  });

  it('is for the targets, the environments and the classes of commands that it names', async () => {
    const [one, other] = [await kit.target(olga), await kit.target(olga)];
    const policyId = await kit.policy(olga);
    const of = (target: string, change: Record<string, unknown> = {}) =>
      kit.reviewed(author, policyId, [target], change);
    const mild = await of(one);
    const test = await of(one, { environment: 'test' });
    const elsewhere = await of(other);
    const hosts = await of(other, { steps: [noop('x', { effect: 'host_change' })] });
    const back = await of(other, {
      recovery: { kind: 'rollback', steps: [noop('x', { effect: 'host_change' })] },
    });
    const reasons = () => Promise.all([mild, test, elsewhere, hosts, back].map(({ id }) => reason(id)));
    const [open, frozen] = ['no_freeze', 'frozen'];
    expect(await reasons()).toEqual([open, open, open, open, open]);
    expectStatus(await set({ targets: [one], environments: ['production'] }), 201);
    expect(await reasons()).toEqual([frozen, open, open, open, open]);
    expectStatus(await set({ targets: [other], effects: ['host_change'] }), 201);
    expect(await reasons()).toEqual([frozen, open, open, frozen, frozen]);
    expectStatus(await set({ environments: ['test'] }), 201);
    expect(await reasons()).toEqual([frozen, frozen, open, frozen, frozen]);
  });

  it('is changed and taken back while it is not in force, and by no clock that is wrong', async () => {
    const target = await kit.target(olga);
    const ahead = { targets: [target], start: local(3_600) };
    const idle = expectStatus(await set(ahead), 201);
    const window = { start: local(7_200), timeZone: 'UTC', durationSeconds: 60, targets: [target] };
    expectStatus(await kit.put(olga, `/freezes/${idle.id}`, window), 200);
    const running = expectStatus(await set({ targets: [target], durationSeconds: 100 }), 201);
    const remove = (id: string) => app.delete(`${kit.at}/freezes/${id}`, { token: olga.token });
    expectStatus(await remove(running.id), 409, 'rollout.freeze_active');
    // To this process it has ended.
    app.clock.advance(120_000);
    expectStatus(await remove(running.id), 409, 'rollout.freeze_active');
    expectStatus(await kit.put(olga, `/freezes/${running.id}`, window), 409, 'rollout.freeze_active');
    app.clock.reset();
    expectStatus(await remove(idle.id), 204);
    const { items } = expectStatus(await kit.get(olga, '/freezes'), 200);
    expect(items.find(({ id }: { id: string }) => id === running.id)).toMatchObject({ active: true });
  });

  it('is one of no more than gates read, also where two are set at once', async () => {
    const other = await app.addTenant('many', {
      email: 'm@many.example',
      name: 'M',
      password: 'a long one 12345',
    });
    const orgId = other.organization.id;
    const fill = `INSERT INTO portcullis.freezes (org_id, id, name, start, time_zone, duration_seconds)
       SELECT $1::uuid, gen_random_uuid(), n::text, '20200101T000000', 'UTC', 60 FROM generate_series($2::int, $3::int) n`;
    await app.change(fill, [orgId, 1, 199]);
    const body = { name: 'one more', start: '20200101T000000', timeZone: 'UTC', durationSeconds: 60 };
    const add = () => app.post(`/orgs/${orgId}/freezes`, body, { token: other.accessToken });
    let answer: ReturnType<typeof add> | undefined;
    await asRole(app.database.urls.owner, async (query) => {
      // Somebody else sets the last one, and has not committed.
      await query('BEGIN');
      await query(`SELECT pg_advisory_xact_lock(hashtextextended('freezes:' || $1, 0))`, [orgId]);
      await query(fill, [orgId, 200, 200]);
      answer = add();
      await until(async () => {
        const [row] = await app.sql(
          `SELECT count(*)::int AS count FROM pg_stat_activity
            WHERE wait_event_type = 'Lock' AND query LIKE '%freezes:%' AND datname = current_database()`,
        );
        return row?.['count'] > 0;
      });
      await query('COMMIT');
    });
    expectStatus(await answer!, 409, 'rollout.freeze_exists');
  });
});

describe('an exception from a freeze', () => {
  async function frozen() {
    const target = await kit.target(olga);
    const policyId = await kit.policy(olga, { freezeQuorum: two });
    const rollout = await kit.reviewed(author, policyId, [target]);
    expectStatus(await kit.sign(approver, rollout), 200);
    const freeze = expectStatus(await set({ targets: [target] }), 201);
    return { rollout, freeze };
  }
  const ask = (who: Somebody, { rollout, freeze }: Awaited<ReturnType<typeof frozen>>, seconds = 600) =>
    kit.post(who, `/freezes/${freeze.id}/exceptions`, {
      rolloutId: rollout.id,
      reason: 'the certificate ends tonight',
      expiresAt: new Date(Date.now() + seconds * 1000).toISOString(),
    });

  it('holds once its quorum has signed, which is no one of those who asked or wrote', async () => {
    const one = await frozen();
    const { rollout, freeze } = one;
    expectStatus(await ask(olga, one, 86_401), 400, 'rollout.freeze_bad');
    expectStatus(await ask(olga, one, -1), 400, 'rollout.freeze_bad');
    const exception = expectStatus(await ask(olga, one), 201);
    expectStatus(await ask(author, one), 400, 'rollout.freeze_bad');
    const { items } = expectStatus(await kit.get(approver, `/freezes/${freeze.id}/exceptions`), 200);
    expect(items).toEqual([exception]);
    expect(exception).toMatchObject({
      rolloutId: rollout.id,
      digest: rollout.digest,
      reason: 'the certificate ends tonight',
      askedBy: olga.id,
    });
    const signed = { digest: exception.sign, purpose: 'freeze' };
    for (const who of [olga, author])
      expectStatus(await kit.sign(who, rollout, signed), 403, 'rollout.duty_conflict');
    const third = await kit.somebody('third', 'admin');
    expectStatus(await kit.sign(approver, rollout, signed), 200);
    expect(await reason(rollout.id)).toBe('frozen');
    expectStatus(await kit.sign(third, rollout, signed), 200);
    expect(await reason(rollout.id)).toBe('no_freeze');
    // Found out later: one of them is who asked.
    const same = { userId: third.id, sameAs: olga.id };
    expectStatus(await kit.post(olga, '/rollout-persons', same), 204);
    expect(await reason(rollout.id)).toBe('frozen');
    expectStatus(await at.arm(rollout.id), 409, 'rollout.gates_closed');
  });

  it('ends, and is asked for and signed anew', async () => {
    const one = await frozen();
    const { rollout } = one;
    const signers = [approver, await kit.somebody('fourth', 'admin')];
    const sign = async (exception: { sign: string }) => {
      for (const who of signers)
        expectStatus(await kit.sign(who, rollout, { digest: exception.sign, purpose: 'freeze' }), 200);
    };
    const first = expectStatus(await ask(author, one), 201);
    await sign(first);
    expectStatus(await at.arm(rollout.id), 200);
    await app.change(`UPDATE portcullis.freeze_exceptions SET expires_at = now() WHERE id = $1`, [first.id]);
    // Armed under it, it is not executed after it.
    const closed = expectStatus(await at.execute(rollout.id), 409, 'rollout.gates_closed');
    expect(closed.data.gates).toEqual([{ name: 'freeze', verdict: 'fail', reason: 'frozen' }]);
    const late = await kit.sign(approver, rollout, { digest: first.sign, purpose: 'freeze' });
    expectStatus(late, 409, 'rollout.expired');
    const second = expectStatus(await ask(author, one), 201);
    expect(second.sign).not.toBe(first.sign);
    expectStatus(await at.execute(rollout.id), 409, 'rollout.gates_closed');
    await sign(second);
    expectStatus(await at.execute(rollout.id), 200);
  });

  it('is of one plan, and of one freeze', async () => {
    const one = await frozen();
    const { rollout } = one;
    const exception = expectStatus(await ask(author, one), 201);
    const signed = { digest: exception.sign, purpose: 'freeze' };
    expectStatus(await kit.sign(approver, rollout, signed), 200);
    expectStatus(await kit.sign(await kit.somebody('fifth', 'admin'), rollout, signed), 200);
    expect(await reason(rollout.id)).toBe('no_freeze');
    const targets = rollout.plan.targets.map(({ id }: { id: string }) => id);
    const other = expectStatus(await set({ targets }), 201);
    expect(other.active).toBe(true);
    expect(await reason(rollout.id)).toBe('frozen');
    const elsewhere = await frozen();
    expectStatus(await kit.sign(approver, elsewhere.rollout, signed), 409, 'rollout.digest_changed');
    expectStatus(
      await kit.get(operator, `/freezes/${rollout.id}/exceptions`),
      404,
      'rollout.freeze_not_found',
    );
  });
});
