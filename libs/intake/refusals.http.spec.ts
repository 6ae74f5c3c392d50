import { createHmac, randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Answered, expectStatus, owner, type SignedIn } from '../../test/kit/app-in-process.ts';
import {
  address,
  changed,
  freshHash,
  GiteaIntake,
  NEXT_SECRET,
  SECRET,
} from '../../test/kit/gitea-intake.ts';
import { type Delivery, GiteaServer } from '../../test/kit/gitea-server.ts';

/** Nothing works jobs off here: what was queued stays to be counted. */
let intake: GiteaIntake;
let hook: string;

beforeAll(async () => {
  intake = await GiteaIntake.start(false);
  hook = await intake.hook();
});
afterAll(() => intake.stop());

const pushed = (): object => intake.pushed();
const signed = (secret?: string): Delivery => intake.signed(secret);
const send = (delivery: Delivery, to: string = hook): Promise<Answered> =>
  intake.send(to, delivery, address());

describe('a delivery that is signed', () => {
  it('is taken, kept, recorded and queued, once each', async () => {
    const before = await intake.queued();
    const delivery = signed();
    const answer = await send(delivery);
    const { id, verdict } = expectStatus(answer, 202);
    expect(verdict).toBe('accepted');
    expect(await intake.queued()).toBe(before + 1);
    const line = (await intake.lines(hook)).find((one) => one.id === id);
    expect(line).toMatchObject({
      event: 'push',
      repository: 'ada/ledger',
      verdict: 'accepted',
      state: 'queued',
    });
    expect(line?.delivery).toBe(delivery.headers['x-gitea-delivery']);
    expect(await intake.recordOf(answer)).toMatchObject({
      action: 'intake.delivery_accepted',
      outcome: 'success',
      actor: { type: 'system', id: `gitea_hook:${hook}` },
      target: { type: 'gitea_hook', id: hook },
      changes: { bodySha256: { to: line?.bodySha256 }, event: { to: 'push' } },
    });
  });

  it('and that nothing depends on is ignored: kept, and not queued', async () => {
    const before = await intake.queued();
    for (const [type, payload] of [
      ['fork', intake.gitea.forked(intake.repo)],
      ['issues', { ...intake.gitea.forked(intake.repo), action: 'opened' }],
    ] as const) {
      expect(expectStatus(await send(GiteaServer.deliver(type, payload, SECRET)), 202).verdict).toBe(
        'ignored',
      );
    }
    expect(await intake.queued()).toBe(before);
  });

  it('is taken by either of two secrets, and by neither once it is taken out', async () => {
    const two = await intake.hook({ secrets: ['secret://gitea#secret', 'secret://gitea#next'] });
    expectStatus(await send(signed(SECRET), two), 202);
    expectStatus(await send(signed(NEXT_SECRET), two), 202);
    const patch = { ...intake.as, body: { secrets: ['secret://gitea#next'] } };
    expectStatus(await intake.app.ask('PATCH', `${intake.base}/${two}`, patch), 200);
    expectStatus(await send(signed(SECRET), two), 401, 'intake.bad_signature');
    expectStatus(await send(signed(NEXT_SECRET), two), 202);
  });

  it('is taken without the id of a hook by the default one, which only the platform may have', async () => {
    const none = await intake.send(undefined, signed(), address());
    expectStatus(none, 401, 'intake.bad_signature');
    expectStatus(
      await intake.app.post(intake.base, intake.request({ isDefault: true }), intake.as),
      400,
      'intake.bad_hook',
    );
    const platform: SignedIn = await intake.app.signIn(owner, 'platform');
    const { id: orgId } = platform.organization;
    await intake.keepSecrets(platform);
    const made = expectStatus(
      await intake.app.post(`/orgs/${orgId}/integrations/gitea`, intake.request({ isDefault: true }), {
        token: platform.accessToken,
      }),
      201,
    );
    expect(made.path).toBe('/api/v1/integrations/gitea/webhook');
    const answer = await intake.send(undefined, signed(), address());
    expectStatus(answer, 202);
    expect((await intake.recordOf(answer)).org).toBe(orgId);
  });
});

describe('a delivery is refused with a code, on record, and nothing is queued:', () => {
  let before = 0;
  beforeAll(async () => {
    before = await intake.queued();
  });
  afterEach(async () => {
    expect(await intake.queued()).toBe(before);
  });

  /** In the log of the hook's organization, or where nothing was proven of it, of the platform. */
  async function refused(
    answer: Answered,
    [status, code]: [number, string],
    { reason = code, action = 'intake.delivery_refused' } = {},
  ): Promise<void> {
    expectStatus(answer, status, code);
    const own = action === 'intake.delivery_refused';
    const expected = { action, reason, outcome: 'denied' };
    const leaf = await intake.recordOf(answer);
    expect(leaf).toMatchObject(expected);
    expect(leaf.org === intake.admin.organization.id).toBe(own);
  }
  const before_proof = { action: 'access.denied' };

  it('no signature, and the empty one that Gitea sends without a secret', async () => {
    const missing: [number, string] = [401, 'intake.signature_missing'];
    await refused(await send(changed(signed(), { 'x-gitea-signature': undefined })), missing, before_proof);
    await refused(await send(changed(signed(), { 'x-gitea-signature': '' })), missing, before_proof);
    await refused(await send(GiteaServer.deliver('push', pushed(), undefined)), missing, before_proof);
  });

  it('a signature of another secret, of other bytes, in another form, or beside another', async () => {
    const wrong: [number, string] = [401, 'intake.bad_signature'];
    const as = { reason: 'wrong_signature' };
    await refused(await send(signed('another secret of at least thirty-two bytes')), wrong, as);
    const { headers, body } = signed();
    await refused(await send({ headers, body: `${body} ` }), wrong, as);
    // The same JSON: what is signed are the bytes.
    await refused(await send({ headers, body: JSON.stringify(JSON.parse(body)) }), wrong, as);
    await refused(await send({ headers, body: '' }), wrong, as);
    const signature = headers['x-gitea-signature'] ?? '';
    for (const other of [
      signature.toUpperCase(),
      `sha256=${signature}`,
      signature.slice(1),
      `${signature}0`,
      'x',
    ]) {
      await refused(await send(changed({ headers, body }, { 'x-gitea-signature': other })), wrong, as);
    }
    const disagreeing = { 'x-hub-signature-256': `sha256=${'0'.repeat(64)}` };
    await refused(await send(changed({ headers, body }, disagreeing)), wrong, as);
    await refused(await send(changed({ headers, body }, { 'x-gogs-signature': '0'.repeat(64) })), wrong, as);
    // SHA-1 is worth nothing, right or wrong.
    const sha1 = { 'x-gitea-signature': headers['x-hub-signature']?.slice(5) };
    await refused(await send(changed({ headers, body }, sha1)), wrong, as);
  });

  it('a hook that does not exist, which answers as one whose signature is wrong', async () => {
    const unknown = await send(signed(), randomUUID());
    const wrong = await send(signed('another secret of at least thirty-two bytes'));
    const told = ({ body }: Answered): object => ({ ...body, requestId: '' });
    expect(told(unknown)).toEqual(told(wrong));
    await refused(unknown, [401, 'intake.bad_signature'], {
      action: 'access.denied',
      reason: 'unknown_hook',
    });
    expectStatus(await send(signed(), 'not-a-uuid'), 400, 'intake.bad_hook_id');
  });

  it('a secret that is too short, or is not there', async () => {
    const as = { reason: 'no_usable_secret' };
    const short = await intake.hook({ secrets: ['secret://gitea#short'] });
    await refused(await send(signed('too short'), short), [401, 'intake.bad_signature'], as);
    const none = await intake.hook({ secrets: ['secret://nowhere#secret'] });
    await refused(await send(signed(), none), [401, 'intake.bad_signature'], as);
  });

  it('no id of the delivery, or one that is none', async () => {
    for (const id of [undefined, '', 'x', '1315770d-3573-46fd-bea4']) {
      const delivery = changed(signed(), { 'x-gitea-delivery': id });
      await refused(await send(delivery), [400, 'intake.delivery_missing'], before_proof);
    }
  });

  it('no event, or one that Gitea does not have, or another general name than its own', async () => {
    for (const name of ['x-gitea-event', 'x-gitea-event-type']) {
      await refused(
        await send(changed(signed(), { [name]: undefined })),
        [400, 'intake.event_missing'],
        before_proof,
      );
    }
    for (const type of ['schedule', 'constructor', '__proto__', 'workflow_dispatch']) {
      const delivery = changed(signed(), { 'x-gitea-event': type, 'x-gitea-event-type': type });
      await refused(await send(delivery), [400, 'intake.unknown_event']);
    }
    await refused(await send(changed(signed(), { 'x-gitea-event': 'release' })), [
      400,
      'intake.unknown_event',
    ]);
  });

  it('a body of another event than its headers name', async () => {
    const delivery = changed(signed(), { 'x-gitea-event': 'release', 'x-gitea-event-type': 'release' });
    await refused(await send(delivery), [400, 'intake.bad_payload']);
    expect((await send(delivery)).body.errors).toEqual([
      { path: 'release.tag_name', message: 'must be text' },
    ]);
  });

  it.each<[string, string, unknown]>([
    ['push', 'ref', 'main'],
    ['push', 'ref', 'refs/heads/../../admin'],
    ['push', 'ref', 'refs/notes/x'],
    ['push', 'after', 'HEAD'],
    ['create', 'ref', 'a..b'],
    ['create', 'ref_type', 'note'],
    ['status', 'sha', '../../../user'],
    ['pull_request', 'number', '1'],
    ['pull_request', 'number', 2 ** 31],
    ['workflow_run', 'workflow_run', { id: -1 }],
    ['release', 'release', { tag_name: '../x' }],
  ])('%s whose %s is %j', async (type, path, value) => {
    const pull = intake.repo.openPull(7, 'main', freshHash());
    const payloads: Record<string, object> = {
      push: pushed(),
      create: intake.gitea.named(intake.repo, 'branch', 'main'),
      status: intake.gitea.statused(intake.repo, freshHash(), 'ci', 'success'),
      pull_request: intake.gitea.pulled(intake.repo, pull, 'opened'),
      workflow_run: intake.gitea.ran(intake.repo, 1),
      release: intake.gitea.released(intake.repo, 'v1', 'published'),
    };
    const payload = { ...payloads[type], [path]: value };
    await refused(await send(GiteaServer.deliver(type, payload, SECRET)), [400, 'intake.bad_payload']);
  });

  it('a form, and JSON that says it is something else', async () => {
    for (const type of [
      'application/x-www-form-urlencoded',
      'text/plain',
      'multipart/form-data',
      undefined,
    ]) {
      const delivery = changed(signed(), { 'content-type': type });
      await refused(await send(delivery), [415, 'http.unsupported_media_type'], before_proof);
    }
  });

  it('more than a mebibyte, however it is signed', async () => {
    const delivery = GiteaServer.deliver('push', { ...pushed(), pad: 'x'.repeat(1_048_576) }, SECRET);
    await refused(await send(delivery), [413, 'http.too_large'], before_proof);
    const fits = GiteaServer.deliver(
      'fork',
      { ...intake.gitea.forked(intake.repo), pad: 'x'.repeat(900_000) },
      SECRET,
    );
    expectStatus(await send(fits), 202);
  });

  it.each([
    ['no JSON', 'push'],
    ['a part of one', '{"ref":"refs/heads/main"'],
    ['two keys of one name', '{"ref":"refs/heads/main","ref":"refs/heads/other"}'],
    ['a key that reaches for prototypes', '{"__proto__":{"ref":"x"}}'],
    ['nesting without end', '['.repeat(10_000)],
    ['a number that readers disagree on', '{"number":12345678901234567890123}'],
  ])('%s', async (_name, body) => {
    const { headers } = GiteaServer.deliver('push', {}, SECRET);
    const own = createHmac('sha256', SECRET).update(body).digest('hex');
    const names = {
      'x-gitea-signature': own,
      'x-gogs-signature': own,
      'x-hub-signature-256': `sha256=${own}`,
    };
    await refused(await send({ headers: { ...headers, ...names }, body }), [400, 'intake.malformed']);
  });

  it('a repository that the hook is not for', async () => {
    const other = intake.gitea.repo('Eve/Ledger');
    const payload = intake.gitea.pushed(other, 'refs/heads/main', '0'.repeat(40), freshHash());
    await refused(await send(GiteaServer.deliver('push', payload, SECRET)), [
      403,
      'intake.unknown_repository',
    ]);
  });

  it('a hook that is disabled, and one of a suspended organization', async () => {
    const off = await intake.hook({ enabled: false });
    await refused(await send(signed(), off), [403, 'intake.hook_disabled']);
    expectStatus(await send(signed('another secret of at least thirty-two bytes'), off), 401);
    const suspend = 'UPDATE portcullis.organizations SET status = $2 WHERE id = $1';
    await intake.app.change(suspend, [intake.admin.organization.id, 'suspended']);
    await refused(await send(signed()), [403, 'intake.hook_disabled']);
    await intake.app.change(suspend, [intake.admin.organization.id, 'active']);
  });

  it('a hook that was deleted', async () => {
    const gone = await intake.hook();
    expectStatus(await intake.app.ask('DELETE', `${intake.base}/${gone}`, intake.as), 204);
    expectStatus(await send(signed(), gone), 401, 'intake.bad_signature');
  });

  it('what nothing was refused of is no record of a secret', async () => {
    const leaves = await intake.app.sql(`SELECT leaf, personal FROM portcullis.audit_events`);
    const text = JSON.stringify([leaves, intake.app.log]);
    for (const secret of [SECRET, NEXT_SECRET, intake.gitea.token]) expect(text).not.toContain(secret);
    expect(text).toContain('secret://gitea#secret');
  });
});
