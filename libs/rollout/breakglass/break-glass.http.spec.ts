import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { expectStatus, until } from '../../../test/kit/app-in-process.ts';
import { accept, HttpReceiver } from '../../../test/kit/http-receiver.ts';
import { type MailServer, startMailServer } from '../../../test/kit/mail-server.ts';
import { callTo, type Rollouts, startRollouts } from '../../../test/kit/rollout-people.ts';
import { noop, type Somebody } from '../../../test/kit/rollouts.ts';

/** What a break-glass opens, for how long, who hears of it, and what it never opens. */
let at: Rollouts;
let app: Rollouts['app'];
let kit: Rollouts['kit'];
let olga: Somebody;
let author: Somebody;
let approver: Somebody;
let operator: Somebody;
let receiver: HttpReceiver;
let mail: MailServer;
beforeAll(async () => {
  receiver = await HttpReceiver.start();
  mail = await startMailServer();
  at = await startRollouts({ smtp: mail.url, worker: true, egressAllow: ['127.0.0.0/8'] });
  ({ app, kit, olga, author, approver, operator } = at);
});
afterAll(async () => {
  await app.close();
  await mail.close();
  await receiver.stop();
});
beforeEach(() => {
  receiver.behaviour = accept;
  receiver.requests.length = 0;
});

const call = (name: string, path: string) => callTo(receiver.url, name, path);
const paths = (): string[] => receiver.requests.map(({ path }) => path);

async function reviewed(change: Record<string, unknown> = {}, count = 1) {
  const targets: string[] = [];
  for (let nth = 0; nth < count; nth += 1) targets.push(await kit.target(olga));
  const rollout = await kit.reviewed(author, await kit.policy(olga), targets, change);
  return { ...rollout, targets } as { id: string; digest: string; targets: string[] };
}
const open = (rollout: { id: string; digest: string }, change: object = {}) =>
  kit.post(olga, `/rollouts/${rollout.id}/break-glass`, {
    digest: rollout.digest,
    justification: 'the house burns',
    incident: 'INC-7',
    ...change,
  });
const glassOf = async (id: string) =>
  expectStatus(await kit.get(olga, '/break-glass?limit=100'), 200).items.find(
    (one: { rolloutId: string }) => one.rolloutId === id,
  );
/** As if the inventory had said nothing since. */
const unseen = (target: string) =>
  app.change(
    `UPDATE portcullis.rollout_targets SET observed_at = observed_at - interval '2 hours' WHERE id = $1`,
    [target],
  );
const resume = (id: string) => kit.post(operator, `/rollouts/${id}/resume`);

describe('a break-glass', () => {
  it('is told to every owner and administrator at once, also where it was not needed', async () => {
    const rollout = await reviewed({ steps: [noop('x')] });
    expectStatus(await kit.sign(approver, rollout), 200);
    expectStatus(await at.arm(rollout.id), 200);
    expectStatus(await open(rollout), 200);
    expect(await glassOf(rollout.id)).toMatchObject({ needed: false, unread: [], reviewState: 'due' });
    for (const { email } of [olga, author, approver]) {
      const letter = await mail.waitFor(
        ({ to, subject }) => to.includes(email) && subject.includes('executed before it was signed off'),
      );
      expect(letter.text).toContain('INC-7');
    }
    const told = mail.mails().filter(({ text }) => text.includes('INC-7'));
    expect(told.flatMap(({ to }) => to)).not.toContain(operator.email);
  });

  it('has to be reviewed by a person who neither opened it nor wrote the change, and is overdue after three days', async () => {
    const rollout = await reviewed();
    expectStatus(await open(rollout), 200);
    const { id } = await glassOf(rollout.id);
    await app.change(
      `UPDATE portcullis.rollout_break_glass SET review_due_at = now() - interval '1 s' WHERE id = $1`,
      [id],
    );
    expect(await glassOf(rollout.id)).toMatchObject({ reviewState: 'overdue', reviewedBy: null });
    const review = (who: { token: string }) =>
      kit.post(who, `/break-glass/${id}/review`, { review: 'it was right to do so' });
    const twin = await kit.somebody('twin', 'admin');
    expectStatus(await kit.post(olga, '/rollout-persons', { userId: twin.id, sameAs: olga.id }), 204);
    for (const who of [olga, author, twin]) expectStatus(await review(who), 403, 'rollout.duty_conflict');
    const { key } = await app.apiKey(kit.admin, { permissions: ['rollout:sign-off'] });
    expect((await review({ token: key })).status).toBe(403);
    expect(await glassOf(rollout.id)).toMatchObject({ reviewState: 'overdue' });
    expectStatus(await review(approver), 200);
    expect(await glassOf(rollout.id)).toMatchObject({ reviewState: 'done', reviewedBy: approver.id });
  });

  it('ends between two steps when its time is over, and never goes on by itself', async () => {
    const rollout = await reviewed({
      steps: [call('one', '/1'), call('two', '/2')],
      recovery: { kind: 'rollback', steps: [call('back', '/back')] },
    });
    receiver.behaviour = async (_request, response) => {
      await app.change(
        `UPDATE portcullis.rollout_break_glass SET ends_at = now() - interval '1 s' WHERE rollout_id = $1`,
        [rollout.id],
      );
      response.end();
    };
    expectStatus(await open(rollout), 200);
    expect(await at.stateIs(rollout.id, 'suspended')).toMatchObject({ reason: 'break_glass_ended' });
    expect(paths()).toEqual(['/1']);
    expectStatus(await resume(rollout.id), 409, 'rollout.break_glass_ended');
    expectStatus(await kit.post(operator, `/rollouts/${rollout.id}/rollback`, { reason: 'over' }), 200);
    await at.stateIs(rollout.id, 'rolled_back');
    expect(paths()).toEqual(['/1', '/back']);
  });

  it('that has ended keeps nothing back that every gate lets through', async () => {
    const rollout = await reviewed({ steps: [call('one', '/1'), call('two', '/2')] });
    expectStatus(await kit.sign(approver, rollout), 200);
    expectStatus(await at.arm(rollout.id), 200);
    receiver.behaviour = async (_request, response) => {
      if (receiver.requests.length === 1)
        await app.change(
          `UPDATE portcullis.rollout_break_glass SET ends_at = now() - interval '1 s' WHERE rollout_id = $1`,
          [rollout.id],
        );
      response.end();
    };
    expectStatus(await open(rollout), 200);
    await at.stateIs(rollout.id, 'suspended');
    // It goes on as what was signed.
    expectStatus(await resume(rollout.id), 200);
    await at.stateIs(rollout.id, 'verifying');
    expect(paths()).toEqual(['/1', '/2']);
  });

  it('does not last longer because a clock was set back', async () => {
    const rollout = await reviewed({ steps: [call('one', '/1'), call('two', '/2')] });
    receiver.behaviour = (_request, response) => {
      app.clock.advance(-120_000);
      response.end();
    };
    expectStatus(await open(rollout), 200);
    try {
      await until(async () => {
        const [row] = await app.sql('SELECT state, reason FROM portcullis.rollouts WHERE id = $1', [
          rollout.id,
        ]);
        return row?.['state'] === 'suspended' && row['reason'] === 'clock_skew';
      });
    } finally {
      app.clock.reset();
    }
    expect(paths()).toEqual(['/1']);
  });

  it('goes past a target that is not seen any more, by name, and past none that was seen to differ', async () => {
    const rollout = await reviewed({ steps: [call('one', '/1')] }, 2);
    const [gone, seen] = rollout.targets as [string, string];
    await unseen(gone);
    await kit.report(olga, seen, 'sha256:something-else');
    const refused = expectStatus(await open(rollout), 409, 'rollout.diverged');
    expect(refused.data.differences).toEqual([`target:${seen}`]);
    expect(await glassOf(rollout.id)).toBeUndefined();
    await kit.report(olga, seen);
    expectStatus(await open(rollout), 200);
    await at.stateIs(rollout.id, 'verifying');
    expect(await glassOf(rollout.id)).toMatchObject({ needed: true, unread: [`target:${gone}`] });
    const [record] = (await app.records(kit.orgId, 'rollout_break_glass.opened')).slice(-1);
    expect(record.changes.unread).toEqual({ to: [`target:${gone}`] });
    const page = await kit.get(olga, `/rollouts/${rollout.id}/report`);
    expect(String(page.body)).toContain(`target:${gone}`);
  });

  it('goes past nothing that was last seen as another, however long ago, and past no secret or policy', async () => {
    const rollout = await reviewed();
    const [target] = rollout.targets as [string];
    await kit.report(olga, target, 'sha256:something-else');
    await unseen(target);
    expectStatus(await open(rollout), 409, 'rollout.diverged');

    const secret = { path: `db/${Math.random()}`, fields: { password: 'x' } };
    const made = expectStatus(await kit.post(olga, '/secrets', secret), 201);
    const secretive = await reviewed({ secrets: [secret.path] });
    const version = { fields: { password: 'y' } };
    expectStatus(await kit.post(olga, `/secrets/${made.id}/versions`, version), 201);
    const refused = expectStatus(await open(secretive), 409, 'rollout.diverged');
    expect(refused.data.differences).toEqual([`secret:${secret.path}`]);
  });

  it('stops where a target changes, or is lost sight of, after it was opened', async () => {
    for (const [reason, change] of [
      ['another', (target: string) => kit.report(olga, target, 'sha256:somebody-was-here')],
      ['unseen', unseen],
    ] as const) {
      const rollout = await reviewed({ steps: [call('one', '/1')] }, 2);
      const [first, second] = rollout.targets as [string, string];
      await unseen(first);
      receiver.requests.length = 0;
      receiver.behaviour = async (_request, response) => {
        await change(second);
        response.end();
      };
      expectStatus(await open(rollout), 200);
      expect(await at.stateIs(rollout.id, 'failed_needs_operator'), reason).toMatchObject({
        reason: 'diverged',
      });
      expect(paths()).toEqual(['/1']);
    }
  });

  it('is of no irreversible step, wherever in the plan it stands', async () => {
    const irreversible = [noop('wipe', { effect: 'host_destruction', irreversible: true })];
    for (const change of [
      { steps: irreversible },
      { steps: [noop('mild', { irreversible: true })] },
      { recovery: { kind: 'rollback', steps: irreversible } },
      { recovery: { kind: 'irreversible' } },
    ]) {
      const rollout = await reviewed(change);
      expectStatus(await open(rollout), 403, 'rollout.break_glass_irreversible');
      expect(await glassOf(rollout.id)).toBeUndefined();
    }
  });
});
