import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { expectStatus, until } from '../../../test/kit/app-in-process.ts';
import { accept, HttpReceiver } from '../../../test/kit/http-receiver.ts';
import { callTo, type Rollouts, startRollouts } from '../../../test/kit/rollout-people.ts';
import type { Somebody } from '../../../test/kit/rollouts.ts';

/** A run that is paused, stopped, baking, or whose worker is given up. */
let at: Rollouts;
let app: Rollouts['app'];
let kit: Rollouts['kit'];
let olga: Somebody;
let operator: Somebody;
let receiver: HttpReceiver;
beforeAll(async () => {
  receiver = await HttpReceiver.start();
  at = await startRollouts({ worker: true, egressAllow: ['127.0.0.0/8'] });
  ({ app, kit, olga, operator } = at);
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
const order = (who: Somebody, id: string) => kit.post(who, `/rollouts/${id}/rollback`, { reason: 'x' });

describe('what is under way', () => {
  /** A first request that hangs until it is let go. */
  function hanging(then: number) {
    const { promise, resolve } = Promise.withResolvers<void>();
    receiver.behaviour = async (_request, response) => {
      if (receiver.requests.length > 1) return;
      await promise;
      response.writeHead(then).end();
    };
    return resolve;
  }
  const jobOf = async (id: string): Promise<string> =>
    (await app.sql('SELECT job_id FROM portcullis.rollouts WHERE id = $1', [id]))[0]?.['job_id'];
  const jobEnded = (job: string) =>
    until(
      async () =>
        (await app.sql('SELECT state FROM pgboss.job WHERE id = $1', [job]))[0]?.['state'] === 'completed',
    );

  it('is ended by the run that counts: a worker that was given up says nothing any more', async () => {
    const release = hanging(204);
    const { id } = await at.executed({ steps: [call('one', '/1'), call('two', '/2')] });
    await until(async () => receiver.requests.length === 1);
    const lost = await jobOf(id);
    expectStatus(await kit.post(operator, `/rollouts/${id}/pause`, { reason: 'its worker is gone' }), 200);
    // As long ago as a step may take, and more.
    await app.change(
      `UPDATE portcullis.rollout_steps SET intended_at = intended_at - interval '91 s' WHERE rollout_id = $1`,
      [id],
    );
    let second: (() => void) | undefined;
    const first = receiver.behaviour;
    receiver.behaviour = (request, response) => {
      if (receiver.requests.length === 1) return first(request, response);
      second = () => void response.writeHead(500).end();
    };
    expectStatus(await kit.post(operator, `/rollouts/${id}/resume`), 200);
    await until(async () => second !== undefined);
    release();
    await jobEnded(lost);
    const [step, ...more] = await kit.steps(olga, id);
    expect(step).toMatchObject({ state: 'intended', runs: 2 });
    expect(more).toEqual([]);
    second?.();
    expect(await at.stateIs(id, 'failed_needs_operator')).toMatchObject({ reason: 'step_failed' });
    const ends = (await app.records(kit.orgId, 'rollout.step_ended')).filter(
      ({ target }) => target.id === id,
    );
    expect(ends.map(({ changes }) => changes.state.to)).toEqual(['failed']);
  });

  it('and failed while it was paused is not run again unasked where it may not be repeated', async () => {
    const release = hanging(500);
    const { id } = await at.executed({ steps: [call('charge', '/once', 'http.post')] });
    await until(async () => receiver.requests.length === 1);
    expectStatus(await kit.post(operator, `/rollouts/${id}/pause`, { reason: 'wait' }), 200);
    release();
    await until(async () => (await kit.steps(olga, id))[0]?.state === 'failed');
    receiver.behaviour = accept;
    expectStatus(await kit.post(operator, `/rollouts/${id}/resume`), 200);
    expect(await at.stateIs(id, 'failed_needs_operator')).toMatchObject({ reason: 'step_failed' });
    expect(paths()).toEqual(['/once']);
    const said = { answer: 'not_done', reason: 'it was refused' };
    expectStatus(await kit.post(operator, `/rollouts/${id}/repair`, said), 200);
    await at.stateIs(id, 'verifying');
    expect(paths()).toEqual(['/once', '/once']);
  });

  it('is stopped for good after the step that runs, and rolled back from there', async () => {
    const release = hanging(204);
    const { id } = await at.executed({
      steps: [call('one', '/1'), call('two', '/2')],
      recovery: { kind: 'rollback', steps: [call('back', '/back')] },
    });
    await until(async () => receiver.requests.length === 1);
    expectStatus(await kit.post(operator, `/rollouts/${id}/stop`, { reason: 'wrong' }), 200);
    expectStatus(await order(operator, id), 409, 'rollout.not_ready');
    release();
    await until(async () => (await kit.steps(olga, id))[0]?.state === 'succeeded');
    expectStatus(await kit.post(operator, `/rollouts/${id}/resume`), 409, 'rollout.wrong_state');
    receiver.behaviour = accept;
    expectStatus(await order(operator, id), 200);
    await at.stateIs(id, 'rolled_back');
    expect(paths()).toEqual(['/1', '/back']);
  });

  it('bakes by the clock of the product, however early the job comes', async () => {
    const targets = [await kit.target(olga)];
    const waves = [{ targets, bakeSeconds: 40, checks: [call('look', '/check', 'http.get')] }];
    const { id } = await at.executed({ waves, steps: [call('one', '/1')] }, {}, targets);
    const due = (job: string) => app.change('UPDATE pgboss.job SET start_after = now() WHERE id = $1', [job]);
    /** The job that waits for the end of the baking: put off, never failed. */
    const waiting = (not?: string) =>
      until(async () => {
        const job = await jobOf(id);
        const [row] = await app.sql(
          `SELECT state, start_after > created_on + interval '5 s' AS later FROM pgboss.job WHERE id = $1`,
          [job],
        );
        return job !== not && row?.['state'] === 'created' && row['later'] === true && job;
      });
    const first = await waiting();
    await due(first);
    const second = await waiting(first);
    expect(paths()).toEqual(['/1']);
    app.clock.advance(41_000);
    try {
      await due(second);
      await at.stateIs(id, 'verifying');
      expect(paths()).toEqual(['/1', '/check']);
      const baking = (await app.records(kit.orgId, 'rollout.baking')).filter(
        ({ target }) => target.id === id,
      );
      expect(baking).toHaveLength(2);
    } finally {
      app.clock.reset();
    }
  });
});
