import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  expectStatus,
  owner,
  startApp,
} from '../../test/kit/app-in-process.ts';
import { RolloutKit, type Somebody, statement } from '../../test/kit/rollouts.ts';
import { keyIdOf, signEnvelope } from './evidence/dsse.ts';

/** What keys and hooks of others say, and what it is worth once they are revoked or replayed. */
let app: AppInProcess;
let kit: RolloutKit;
let olga: Somebody;
let author: Somebody;
const scan = 'https://example.org/scan/v1';

beforeAll(async () => {
  app = await startApp();
  const admin = await app.signIn(owner, 'acme');
  kit = new RolloutKit(app, admin);
  olga = { id: admin.user.id, token: admin.accessToken, email: owner.email };
  author = await kit.somebody('author', 'operator');
});
afterAll(() => app.close());

const gateOf = async (id: string, name: string) => (await kit.gates(olga, id))[name];

/** A scanner whose key the organization trusts. */
async function scanner(name: string) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const key = expectStatus(
    await kit.post(olga, '/evidence-keys', { name, publicKey: pem, ownerId: author.id }),
    201,
  );
  return { id: key.id as string, keyid: keyIdOf(publicKey), privateKey };
}

async function say(
  key: { keyid: string; privateKey: KeyObject },
  digest: string,
  secondsAgo: number,
  verificationResult: string,
): Promise<void> {
  const at = new Date(app.clock.now().getTime() - secondsAgo * 1000);
  const body = Buffer.from(JSON.stringify(statement(digest, scan, at, { verificationResult })));
  const envelope = signEnvelope(body, key.privateKey, key.keyid);
  expectStatus(await kit.post(author, '/evidence', { envelope }), 201);
}

describe('an evidence gate', () => {
  it('is inconclusive when the key of the newest evidence was revoked: an older pass does not take its place', async () => {
    const gates = [{ name: 'scan', kind: 'evidence', predicateType: scan }];
    const policyId = await kit.policy(olga, { gates });
    const { id, digest } = await kit.reviewed(author, policyId, [await kit.target(olga)]);
    const [older, failing] = [await scanner('older'), await scanner('failing')];
    await say(older, digest, 60, 'PASSED');
    expect(await gateOf(id, 'scan')).toMatchObject({ verdict: 'pass' });
    await say(failing, digest, 30, 'FAILED');
    expect(await gateOf(id, 'scan')).toMatchObject({ verdict: 'fail' });
    expectStatus(
      await app.ask('DELETE', `${kit.at}/evidence-keys/${failing.id}`, { token: olga.token }),
      204,
    );
    expect(await gateOf(id, 'scan')).toMatchObject({ verdict: 'inconclusive', reason: 'key_revoked' });
    await say(older, digest, 1, 'PASSED');
    expect(await gateOf(id, 'scan')).toMatchObject({ verdict: 'pass' });
  });
});

describe('a call-back', () => {
  const text = (value: object): string => JSON.stringify(value);
  const sign = (secret: string, body: string): string =>
    createHmac('sha256', secret).update(body).digest('hex');

  async function send(path: string, body: string, signature: string): Promise<Answered> {
    const answer = await app.app.inject({
      method: 'POST',
      url: path,
      headers: { 'content-type': 'application/json', 'x-portcullis-signature': signature },
      payload: body,
    });
    return {
      status: answer.statusCode,
      headers: answer.headers,
      body: answer.body === '' ? undefined : answer.json<unknown>(),
      raw: answer.rawPayload,
    };
  }

  it('counts once, for its gate and its plan, by the secret of its hook', async () => {
    const hook = expectStatus(await kit.post(olga, '/rollout-hooks', { name: 'board' }), 201);
    const other = expectStatus(await kit.post(olga, '/rollout-hooks', { name: 'other' }), 201);
    const gates = [{ name: 'board', kind: 'external', hookId: hook.id }];
    const policyId = await kit.policy(olga, { gates });
    const rollout = await kit.reviewed(author, policyId, [await kit.target(olga)]);
    const said = {
      rolloutId: rollout.id,
      gate: 'board',
      digest: rollout.digest,
      verdict: 'pass',
      observedAt: app.clock.now().toISOString(),
      nonce: 'a-nonce-of-sixteen-1',
    };
    const take = (change: object = {}, secret: string = hook.secret, path: string = hook.path) => {
      const body = text({ ...said, ...change });
      return send(path, body, sign(secret, body));
    };
    expectStatus(await take({}, other.secret), 401, 'rollout.callback_refused');
    expectStatus(await send(hook.path, text(said), ''), 401, 'rollout.callback_refused');
    // Another body under a right signature.
    const right = sign(hook.secret, text({ ...said, verdict: 'fail' }));
    expectStatus(await send(hook.path, text(said), right), 401, 'rollout.callback_refused');
    expectStatus(await take({}, other.secret, other.path), 401, 'rollout.callback_refused');
    expectStatus(await take({ digest: 'sha256:other' }), 409, 'rollout.digest_changed');
    const late = new Date(app.clock.now().getTime() - 301_000).toISOString();
    expectStatus(await take({ observedAt: late }), 400, 'rollout.callback_late');
    expectStatus(await take({ verdict: 'maybe' }), 400, 'http.invalid_input');
    expectStatus(await take({ more: 1 }), 400, 'http.invalid_input');
    expect(await gateOf(rollout.id, 'board')).toMatchObject({ verdict: 'inconclusive' });
    const ahead = new Date(app.clock.now().getTime() + 90_000).toISOString();
    expectStatus(await take({ observedAt: ahead }), 400, 'rollout.callback_late');
    expectStatus(await take(), 204);
    expect(await gateOf(rollout.id, 'board')).toMatchObject({ verdict: 'pass' });
    expectStatus(await take(), 409, 'rollout.callback_replayed');
    expectStatus(await take({ verdict: 'fail', nonce: 'a-nonce-of-sixteen-3' }), 204);
    // Neither does a pass that was held back on its way outweigh it, nor one of the same moment.
    const before = new Date(Date.parse(said.observedAt) - 60_000).toISOString();
    expectStatus(await take({ observedAt: before, nonce: 'a-nonce-of-sixteen-4' }), 204);
    expectStatus(await take({ nonce: 'a-nonce-of-sixteen-5' }), 204);
    expect(await gateOf(rollout.id, 'board')).toMatchObject({ verdict: 'fail' });
    // A pass that was taken before does not come back.
    expectStatus(await take(), 409, 'rollout.callback_replayed');
    expect(await gateOf(rollout.id, 'board')).toMatchObject({ verdict: 'fail' });
    expectStatus(await app.ask('DELETE', `${kit.at}/rollout-hooks/${hook.id}`, { token: olga.token }), 204);
    expectStatus(await take({ nonce: 'a-nonce-of-sixteen-2' }), 401, 'rollout.callback_refused');
    expect(await gateOf(rollout.id, 'board')).toMatchObject({ reason: 'hook_revoked' });
  });
});
