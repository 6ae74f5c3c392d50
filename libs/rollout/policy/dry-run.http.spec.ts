import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AppInProcess, expectStatus } from '../../../test/kit/app-in-process.ts';
import { startRollouts } from '../../../test/kit/rollout-people.ts';
import { oneOf, type RolloutKit, type Somebody, two } from '../../../test/kit/rollouts.ts';

/** What a policy would change, asked before anybody makes it. */
let app: AppInProcess;
let kit: RolloutKit;
let olga: Somebody;
let author: Somebody;
let approver: Somebody;
let operator: Somebody;

beforeAll(async () => {
  ({ app, kit, olga, author, approver, operator } = await startRollouts());
});
afterAll(() => app.close());

interface Told {
  rolloutId: string;
  state: string;
  planAgain: boolean;
  openNow: boolean;
  openThen: boolean;
  closedNow: { name: string; reason: string }[];
  closedThen: { name: string; reason: string }[];
}
const ask = (rules: object, query = '', who = olga) =>
  kit.post(who, `/rollout-policies/dry-run${query}`, { name: 'thought of', quorum: oneOf, ...rules });
const told = async (rules: object, query = ''): Promise<Told[]> =>
  expectStatus(await ask(rules, query), 200).items;
const reasons = (gates: { name: string; reason: string }[]) =>
  gates.map(({ name, reason }) => `${name}: ${reason}`);

/** Every row of what a policy, a rollout or the log is made of. */
async function everything(): Promise<unknown> {
  const tables = await app.sql(
    `SELECT table_schema || '.' || table_name AS name FROM information_schema.tables
      WHERE table_type = 'BASE TABLE' AND (table_schema = 'portcullis' OR table_schema LIKE 'pgboss%')
        AND table_name ~ '^(rollout|audit|event|evidence|risk|job$)' ORDER BY 1`,
  );
  expect(tables.length).toBeGreaterThan(15);
  const hashed: [string, unknown][] = [];
  for (const { name } of tables) {
    const [row] = await app.sql(
      `SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) AS hash FROM ${name} t`,
    );
    hashed.push([name, row]);
  }
  return hashed;
}

describe('a policy that was not made yet', () => {
  let armed: { id: string };
  let reviewed: { id: string };
  let policyId: string;

  beforeAll(async () => {
    policyId = await kit.policy(olga);
    const ready = await kit.reviewed(author, policyId, [await kit.target(olga)]);
    expectStatus(await kit.sign(approver, ready), 200);
    armed = expectStatus(await kit.post(operator, `/rollouts/${ready.id}/arm`), 200);
    reviewed = await kit.reviewed(author, await kit.policy(olga), [await kit.target(olga)]);
    // A draft has no gates, and what ended asks none.
    await kit.written(author, policyId);
    const ended = await kit.reviewed(author, policyId, [await kit.target(olga)]);
    expectStatus(await kit.post(author, `/rollouts/${ended.id}/withdraw`, { reason: 'x' }), 200);
  });

  it('tells of every open rollout what keeps it back, and what would', async () => {
    const gates = [
      { name: 'board', kind: 'manual' },
      { name: 'watched', kind: 'manual', dryRun: true },
    ];
    const items = await told({ quorum: two, gates });
    expect(items.map(({ rolloutId, state }) => [rolloutId, state])).toEqual([
      [reviewed.id, 'in_review'],
      [armed.id, 'armed'],
    ]);
    const [waiting, ready] = items as [Told, Told];
    expect([ready.openNow, ready.openThen, ready.planAgain]).toEqual([true, false, true]);
    expect(reasons(ready.closedNow)).toEqual([]);
    expect(reasons(ready.closedThen)).toEqual(['sign_off: quorum_not_met', 'board: never_observed']);
    expect([waiting.openNow, waiting.openThen]).toEqual([false, false]);
    expect(reasons(waiting.closedNow)).toEqual(['sign_off: quorum_not_met']);
    // Duties that it keeps apart count as they would.
    const apart = await told(
      { separate: [{ one: 'approver', other: 'evidence_producer' }] },
      `?policyId=${policyId}`,
    );
    expect(apart).toMatchObject([{ rolloutId: armed.id, openThen: true }]);
    const statement = {
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ digest: { sha256: (await kit.read(olga, armed.id)).digest.slice('sha256:'.length) } }],
      predicateType: 'urn:example:anything',
      predicate: {
        verifier: { id: 'x' },
        timeVerified: app.clock.now().toISOString(),
        verificationResult: 'PASSED',
      },
    };
    expectStatus(await kit.post(approver, '/evidence', { statement }), 201);
    const [now] = await told(
      { separate: [{ one: 'approver', other: 'evidence_producer' }] },
      `?policyId=${policyId}`,
    );
    expect([now?.openNow, now?.openThen, now?.planAgain]).toEqual([true, false, true]);
  });

  it('changes nothing where its rules are those that were signed', async () => {
    const [ready] = await told({}, `?policyId=${policyId}`);
    expect(ready).toMatchObject({ rolloutId: armed.id, planAgain: false, openNow: true, openThen: true });
  });

  it('writes nothing, and neither makes nor changes a policy', async () => {
    const before = await everything();
    expect(await told({ quorum: two, gates: [{ name: 'board', kind: 'manual' }] })).toHaveLength(2);
    expect(await everything()).toEqual(before);
    expectStatus(await kit.post(operator, `/rollouts/${armed.id}/execute`), 200);
  });

  it('is told in pages, to who may make policies, and only where it does not contradict itself', async () => {
    const first = expectStatus(await ask({}, '?limit=1'), 200);
    expect(first.items).toHaveLength(1);
    const second = expectStatus(await ask({}, `?limit=1&cursor=${first.next}`), 200);
    expect(second.items).toHaveLength(1);
    expect(second.items[0].rolloutId).not.toBe(first.items[0].rolloutId);
    expect(second.next).toBeUndefined();
    expectStatus(await ask({}, '', operator), 403, 'access.denied');
    const twice = [
      { name: 'a', kind: 'manual' },
      { name: 'a', kind: 'manual' },
    ];
    const { errors } = expectStatus(await ask({ gates: twice }), 400, 'rollout.bad_policy');
    expect(errors[0].path).toBe('gates[1]');
  });
});
