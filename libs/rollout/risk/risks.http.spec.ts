import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type AppInProcess, expectStatus } from '../../../test/kit/app-in-process.ts';
import { startRollouts } from '../../../test/kit/rollout-people.ts';
import { type RolloutKit, type Somebody } from '../../../test/kit/rollouts.ts';

/** The register of residual risks: who may let one go, and how it is searched. */
let app: AppInProcess;
let kit: RolloutKit;
let olga: Somebody;
let author: Somebody;
let admin: Somebody;
let operator: Somebody;

beforeAll(async () => {
  ({ app, kit, olga, author, operator } = await startRollouts());
  admin = await kit.somebody('admin', 'admin');
});
afterAll(() => app.close());
afterEach(() => app.clock.reset());

const HIGH = { likelihood: 3, consequence: 4 };
const MODERATE = { likelihood: 2, consequence: 3 };
const LOW = { likelihood: 1, consequence: 2 };
const CRITICAL = { likelihood: 5, consequence: 5 };
const text = { statement: 'the cache may be cold', treatment: 'accept', rationale: 'it warms' };

const raise = async (who: Somebody, change: object = {}) =>
  expectStatus(await kit.post(who, '/risks', { ...text, ...MODERATE, ...change }), 201);
const inAnHour = () => new Date(app.clock.now().getTime() + 3_600_000).toISOString();
const accept = (who: Somebody, id: string, change: object = {}) =>
  kit.post(who, `/risks/${id}/acceptance`, { validUntil: inAnHour(), ...change });
const rate = (who: Somebody, id: string, change: object) =>
  kit.put(who, `/risks/${id}`, { ...text, ...change });
const close = (who: Somebody, id: string) => kit.post(who, `/risks/${id}/close`, { reason: 'gone' });

/** In review, by the author. */
async function reviewed() {
  const rollout = await kit.reviewed(author, await kit.policy(olga), [await kit.target(olga)]);
  const gate = async () => (await kit.gates(olga, rollout.id))['residual_risk'];
  return { ...rollout, gate };
}

describe('a risk of the organization', () => {
  it('is let go by nobody who raised it, nor by another account of theirs', async () => {
    const risk = await raise(author);
    const tagged = await kit.somebody('tagged', 'admin', 'author+2@acme.example');
    const declared = await kit.somebody('declared', 'admin');
    expectStatus(await kit.post(olga, '/rollout-persons', { userId: declared.id, sameAs: author.id }), 204);
    for (const who of [author, tagged, declared]) {
      expectStatus(await accept(who, risk.id), 403, 'rollout.risk_own');
      expectStatus(await rate(who, risk.id, LOW), 403, 'rollout.risk_own');
      expectStatus(await close(who, risk.id), 403, 'rollout.risk_own');
    }
    expect(expectStatus(await accept(admin, risk.id), 200)).toMatchObject({
      status: 'accepted',
      acceptedAs: 'admin',
      acceptedDigest: null,
    });
  });
});

describe('an acceptance', () => {
  it('is given by who outranks the level, for a time that ends', async () => {
    const risk = await raise(author, HIGH);
    expectStatus(await accept(operator, risk.id), 403, 'rollout.risk_outranks');
    expectStatus(await accept(admin, risk.id), 403, 'rollout.risk_outranks');
    const year = new Date(app.clock.now().getTime() + 367 * 86_400_000).toISOString();
    for (const validUntil of [year, app.clock.now().toISOString()])
      expectStatus(await accept(olga, risk.id, { validUntil }), 400, 'rollout.risk_bad');
    const given = expectStatus(await accept(olga, risk.id, { conditions: 'only at night' }), 200);
    expect(given).toMatchObject({ level: 'high', acceptedBy: olga.id, conditions: 'only at night' });
    expectStatus(await app.delete(`${kit.at}/risks/${risk.id}/acceptance`, { token: olga.token }), 200);
    const { items } = expectStatus(await kit.get(olga, '/risks?status=open&level=high'), 200);
    expect(items.map((one: { id: string }) => one.id)).toContain(risk.id);
  });

  it('closes the gate again when it ends: what was armed is not carried out', async () => {
    const rollout = await reviewed();
    const risk = await raise(author, { rolloutId: rollout.id });
    expectStatus(await kit.sign(admin, rollout), 200);
    const execute = () => kit.post(operator, `/rollouts/${rollout.id}/execute`);
    const arm = () => kit.post(operator, `/rollouts/${rollout.id}/arm`);
    expectStatus(await arm(), 409, 'rollout.gates_closed');
    const validUntil = new Date(app.clock.now().getTime() + 30_000).toISOString();
    expectStatus(await accept(olga, risk.id, { validUntil }), 200);
    expectStatus(await arm(), 200);
    app.clock.advance(30_001);
    const closed = expectStatus(await execute(), 409, 'rollout.gates_closed');
    expect(closed.data.gates).toEqual([
      { name: 'residual_risk', verdict: 'fail', reason: 'acceptance_expired' },
    ]);
    app.clock.reset();
    expectStatus(await accept(olga, risk.id), 200);
    expectStatus(await execute(), 200);
  });

  it('ends with the authority of who gave it, and with what is found out about them', async () => {
    const rollout = await reviewed();
    const leaver = await kit.somebody('leaver', 'admin');
    const risk = await raise(author, { rolloutId: rollout.id });
    expectStatus(await accept(leaver, risk.id), 200);
    expect(await rollout.gate()).toMatchObject({ verdict: 'pass' });
    const member = (body: object) =>
      app.ask('PATCH', `${kit.at}/members/${leaver.id}`, { token: olga.token, body });
    for (const [lost, back] of [
      [{ role: 'operator' }, { role: 'admin' }],
      [{ status: 'disabled' }, { status: 'active' }],
    ] as const) {
      expectStatus(await member(lost), 200);
      expect(await rollout.gate()).toMatchObject({ verdict: 'fail', reason: 'authority_lost' });
      expectStatus(await member(back), 200);
      expect(await rollout.gate()).toMatchObject({ verdict: 'pass' });
    }
    const link = { userId: leaver.id, sameAs: author.id };
    expectStatus(await kit.post(olga, '/rollout-persons', link), 204);
    expect(await rollout.gate()).toMatchObject({ verdict: 'fail', reason: 'authority_lost' });
  });
});

describe('rating a risk', () => {
  it('lower is for whom it could be accepted by, in person, and voids what was accepted', async () => {
    const rollout = await reviewed();
    const risk = await raise(admin, { ...HIGH, rolloutId: rollout.id });
    // Neither the author of the change, nor who raised it, nor who does not outrank it.
    expectStatus(await rate(author, risk.id, LOW), 403, 'rollout.risk_outranks');
    expectStatus(await rate(admin, risk.id, LOW), 403, 'rollout.risk_outranks');
    expect(await rollout.gate()).toMatchObject({ reason: 'risk_not_accepted' });
    const permissions = ['risk:write', 'risk:read', 'risk:accept'];
    const { key } = await app.apiKey(kit.admin, { permissions });
    expect((await rate({ ...olga, token: key }, risk.id, LOW)).status).toBe(403);
    expectStatus(await accept(olga, risk.id), 200);
    const lower = expectStatus(await rate(olga, risk.id, MODERATE), 200);
    expect(lower).toMatchObject({ level: 'moderate', levelBefore: 'high', acceptedBy: null, status: 'open' });
    expect(await rollout.gate()).toMatchObject({ reason: 'risk_not_accepted' });
    expectStatus(await rate(author, risk.id, LOW), 403, 'rollout.risk_own');
    // Graver, or as grave: whoever writes risks.
    expect(expectStatus(await rate(author, risk.id, CRITICAL), 200).level).toBe('critical');
    expectStatus(await rate(author, risk.id, { ...CRITICAL, rationale: 'still' }), 200);
    expectStatus(await rate(author, risk.id, HIGH), 403, 'rollout.risk_outranks');
    expectStatus(await rate(olga, risk.id, LOW), 200);
    expect(await rollout.gate()).toMatchObject({ verdict: 'pass' });
  });

  it('asks for a fresh proof, as accepting and closing do', async () => {
    const risk = await raise(author);
    const tired = await kit.somebody('tired', 'admin');
    await app.change(
      `UPDATE portcullis.sessions SET password_at = now() - interval '301 s' WHERE user_id = $1`,
      [tired.id],
    );
    for (const refused of [
      await rate(tired, risk.id, HIGH),
      await accept(tired, risk.id),
      await close(tired, risk.id),
    ])
      expectStatus(refused, 401, 'auth.step_up_required');
  });
});

describe('the register', () => {
  it('is searched by rollout, level, treatment, status and review date, and printed the same', async () => {
    const rollout = await reviewed();
    const soon = new Date(app.clock.now().getTime() + 86_400_000).toISOString();
    const late = new Date(app.clock.now().getTime() + 30 * 86_400_000).toISOString();
    const made = {
      low: await raise(author, { ...LOW, statement: 'of the low', reviewAt: soon }),
      high: await raise(author, { ...HIGH, statement: 'of the high', rolloutId: rollout.id, reviewAt: late }),
      moved: await raise(author, { statement: 'of the moved', treatment: 'transfer' }),
      shut: await raise(author, { statement: 'of the shut', treatment: 'avoid' }),
      kept: await raise(author, { statement: 'of the kept', treatment: 'mitigate' }),
      over: await raise(author, { statement: 'of the over' }),
    };
    expectStatus(await close(admin, made.shut.id), 200);
    expectStatus(await accept(admin, made.kept.id), 200);
    const validUntil = new Date(app.clock.now().getTime() + 30_000).toISOString();
    expectStatus(await accept(admin, made.over.id, { validUntil }), 200);
    app.clock.advance(31_000);
    const all = Object.values(made);
    const search = async (query: string): Promise<string[]> => {
      const { items } = expectStatus(await kit.get(olga, `/risks?${query}`), 200);
      const page = String((await kit.get(olga, `/risks/report?${query}`)).body);
      const listed = all.filter(({ id }) => items.some((one: { id: string }) => one.id === id));
      expect(all.filter((one) => page.includes(one.statement)).map(({ id }) => id)).toEqual(
        listed.map(({ id }) => id),
      );
      return Object.entries(made).flatMap(([name, { id }]) =>
        listed.some((one) => one.id === id) ? [name] : [],
      );
    };
    expect(await search(`rolloutId=${rollout.id}`)).toEqual(['high']);
    expect(await search('level=high')).toEqual(['high']);
    expect(await search('level=low')).toEqual(['low']);
    expect(await search('treatment=transfer')).toEqual(['moved']);
    expect(await search('treatment=mitigate')).toEqual(['kept']);
    expect(await search('status=closed')).toEqual(['shut']);
    expect(await search('status=accepted')).toEqual(['kept']);
    expect(await search('status=expired')).toEqual(['over']);
    expect(await search('status=open')).toEqual(['low', 'high', 'moved']);
    expect(await search('status=open&level=moderate&treatment=transfer')).toEqual(['moved']);
    const page = expectStatus(await kit.get(olga, '/risks?limit=2'), 200);
    const next = expectStatus(await kit.get(olga, `/risks?limit=2&cursor=${page.next}`), 200);
    const ids = [...page.items, ...next.items].map(({ id }: { id: string }) => id);
    expect(ids).toEqual(
      all
        .map(({ id }) => id)
        .toReversed()
        .slice(0, 4),
    );
    expectStatus(await kit.get(olga, '/risks?level=grave'), 400);
  });
});
