import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type AppInProcess, expectStatus, MovableClock, owner } from '../../test/kit/app-in-process.ts';
import { startRollouts } from '../../test/kit/rollout-people.ts';
import { planOf, type RolloutKit, type Somebody } from '../../test/kit/rollouts.ts';
import { makeSurface, SurfaceInTest } from '../../test/kit/surfaces.ts';
import type { VaultServer } from '../../test/kit/vault-server.ts';
import { type VaultUnderTest, vaultUnderTest } from '../../test/kit/vault-under-test.ts';

/** What a plan names and does not hold: secrets that lie in Vault, surfaces that the projection knows. */
let app: AppInProcess;
let under: VaultUnderTest;
let server: VaultServer;
let kit: RolloutKit;
let olga: Somebody;
let author: Somebody;
let approver: Somebody;
let made = 0;

beforeAll(async () => {
  under = await vaultUnderTest();
  server = under.fake!;
  ({ app, kit, olga, author, approver } = await startRollouts({
    secrets: { remote: under.remote(new MovableClock()) },
  }));
});
afterEach(() => {
  server.behave();
  server.sealed = false;
});
afterAll(async () => {
  await app.close();
  await under.stop();
});

const CANARY = 'canary-of-a-plan';
const arm = (id: string) => kit.post(approver, `/rollouts/${id}/arm`);
const plan = (id: string, targets: string[], change: object) =>
  kit.put(author, `/rollouts/${id}/plan`, { ...planOf(targets), ...change });

describe('secrets that lie in Vault', () => {
  /** Signed off, with one secret. */
  async function signed() {
    const secret = { path: `ledger/${(made += 1)}`, fields: { password: CANARY } };
    const { id: secretId } = expectStatus(await kit.post(olga, '/secrets', secret), 201);
    const targets = [await kit.target(olga)];
    const rollout = await kit.reviewed(author, await kit.policy(olga), targets, { secrets: [secret.path] });
    expectStatus(await kit.sign(approver, rollout), 200);
    return { rollout, secret, secretId, targets };
  }
  const changedIs = async (id: string, path: string) =>
    expect(expectStatus(await arm(id), 409, 'rollout.diverged').data.differences).toEqual([`secret:${path}`]);

  it('are signed by path, version and time, without a value, and armed where they are the same', async () => {
    const { rollout, secret } = await signed();
    expect(rollout.plan.secrets).toEqual([{ path: secret.path, version: 1, createdAt: expect.any(String) }]);
    expect(JSON.stringify(rollout)).not.toContain(CANARY);
    expectStatus(await arm(rollout.id), 200);
    const leaves = (await app.records(kit.orgId)).filter(({ target }) => target.id === rollout.id);
    expect(leaves.length).toBeGreaterThan(3);
    expect(JSON.stringify(leaves)).not.toContain(CANARY);
  });

  it('that others wrote anew are not what was signed', async () => {
    const { rollout, secret } = await signed();
    const other = server.kv.keys.get(`portcullis/${kit.orgId}/${secret.path}`)!;
    const newest = other.versions.get(1)!;
    other.versions.set(2, { ...newest });
    other.current = 2;
    await changedIs(rollout.id, secret.path);
  });

  it('that were destroyed and made anew are not what was signed, though their number is the same', async () => {
    const { rollout, secret, secretId } = await signed();
    const gone = await app.ask('POST', `${kit.at}/secrets/${secretId}/destroy`, {
      token: olga.token,
      body: {},
    });
    expect(gone.status).toBeLessThan(300);
    expectStatus(await kit.post(olga, '/secrets', { ...secret, fields: { password: 'another' } }), 201);
    await changedIs(rollout.id, secret.path);
  });

  it('are unknown while the store does not answer: nothing is planned, and nothing armed', async () => {
    const { rollout, secret, targets } = await signed();
    server.sealed = true;
    const id = await kit.written(author, await kit.policy(olga));
    expectStatus(await plan(id, targets, { secrets: [secret.path] }), 503, 'secrets.unavailable');
    await changedIs(rollout.id, secret.path);
    server.sealed = false;
    // The same plan again keeps what was signed.
    const again = await kit.planned(author, rollout.id, planOf(targets, { secrets: [secret.path] }));
    expect(again).toMatchObject({ state: 'planned', digest: rollout.digest });
    expect(expectStatus(await kit.post(author, `/rollouts/${rollout.id}/review`), 200).state).toBe(
      'approved',
    );
    expectStatus(await arm(rollout.id), 200);
  });

  it('that are not there, or are no path at all, are refused with the place in the plan', async () => {
    const { secret, targets } = await signed();
    const id = await kit.written(author, await kit.policy(olga));
    for (const wrong of [`${secret.path}/not`, '../../sys/seal', 'a b', `ledger/${'x'.repeat(400)}`]) {
      const refused = await plan(id, targets, { secrets: [secret.path, wrong] });
      const { errors } = expectStatus(refused, 400, 'rollout.bad_plan');
      expect(errors.map(({ path }: { path: string }) => path)).toEqual(['secrets[1]']);
    }
  });
});

describe('the surface of a target', () => {
  it('that is not there, or of another organization, is refused when it is planned', async () => {
    const other = await app.addTenant('others', { ...owner, email: 'o@others.example' });
    const theirs = await makeSurface(app, other, 'theirs');
    const id = await kit.written(author, await kit.policy(olga));
    for (const surfaceId of ['01920000-0000-7000-8000-000000000001', theirs]) {
      const targets = [await kit.target(olga), await kit.target(olga, { kind: 'surface', surfaceId })];
      const { errors } = expectStatus(await plan(id, targets, {}), 400, 'rollout.bad_plan');
      expect(errors).toEqual([
        { path: 'targets[1]', message: `is of the surface ${surfaceId}, which is not there` },
      ]);
    }
  });

  it('opens the gate of its posture while it is projected ready, and closes it once it is deleted', async () => {
    const surface = await SurfaceInTest.make(app, kit.admin, 'gated');
    const target = await kit.target(olga, { kind: 'surface', surfaceId: surface.id });
    const policyId = await kit.policy(olga, { gates: [{ name: 'ready', kind: 'posture' }] });
    const rollout = await kit.reviewed(author, policyId, [target]);
    expectStatus(await kit.sign(approver, rollout), 200);
    const gate = async (id = rollout.id) => (await kit.gates(olga, id))['ready'];
    expect(await gate()).toMatchObject({ verdict: 'fail', reason: 'posture_not_ready' });
    await surface.tellAll();
    expect(await gate()).toMatchObject({ verdict: 'pass' });
    // A target of which nothing is projected is not known to be ready.
    const mixed = await kit.reviewed(author, policyId, [target, await kit.target(olga)]);
    expect(await gate(mixed.id)).toMatchObject({ verdict: 'inconclusive', reason: 'no_surface' });
    const path = `${kit.at}/surfaces/${surface.id}`;
    expectStatus(await app.ask('DELETE', path, { token: olga.token }), 204);
    expect(await gate()).toMatchObject({ verdict: 'inconclusive', reason: 'posture_unknown' });
    const closed = expectStatus(await arm(rollout.id), 409, 'rollout.gates_closed');
    expect(closed.data.gates).toEqual([
      { name: 'ready', verdict: 'inconclusive', reason: 'posture_unknown' },
    ]);
  });
});
