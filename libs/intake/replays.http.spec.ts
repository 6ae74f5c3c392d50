import { createHmac, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answered, expectStatus } from '../../test/kit/app-in-process.ts';
import { address, changed, GiteaIntake, SECRET, sendRaw } from '../../test/kit/gitea-intake.ts';
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

describe('a replay', () => {
  it('with the same delivery id is refused', async () => {
    const first = signed();
    const { id } = expectStatus(await send(first), 202);
    const before = await intake.queued();
    const again = GiteaServer.deliver('push', pushed(), SECRET, first.headers['x-gitea-delivery']);
    const answer = await send(again);
    expect(expectStatus(answer, 409, 'intake.replayed').data).toEqual({ delivery: id, same: 'delivery' });
    expect(await intake.recordOf(answer)).toMatchObject({
      action: 'intake.delivery_refused',
      reason: 'intake.replayed',
    });
    expect(await intake.queued()).toBe(before);
  });

  it('with a fresh delivery id and the same body is refused', async () => {
    const first = signed();
    const { id } = expectStatus(await send(first), 202);
    const before = await intake.queued();
    const again = changed(first, { 'x-gitea-delivery': randomUUID() });
    const answer = await send(again);
    expect(expectStatus(answer, 409, 'intake.replayed').data).toEqual({ delivery: id, same: 'body' });
    expect(await intake.queued()).toBe(before);
  });

  it('of which eight come at once, as many as there are connections, is taken once', async () => {
    const first = signed();
    const before = await intake.queued();
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => send(changed(first, { 'x-gitea-delivery': randomUUID() }))),
    );
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(7);
    expect(await intake.queued()).toBe(before + 1);
  });

  it('to another hook is one of that hook, whose secret it takes', async () => {
    const other = await intake.hook({ secrets: ['secret://gitea#next'] });
    const first = signed();
    expectStatus(await send(first), 202);
    expectStatus(await send(first, other), 401, 'intake.bad_signature');
  });

  it('of what was refused is one line with a count, and is taken once the reason is gone', async () => {
    const own = await intake.hook({ repositories: ['ada/other'] });
    const delivery = signed();
    for (let n = 0; n < 5; n += 1) expectStatus(await send(delivery, own), 403, 'intake.unknown_repository');
    const [line, ...more] = await intake.lines(own);
    expect(line).toMatchObject({ verdict: 'refused', code: 'intake.unknown_repository', refusals: 5 });
    expect(more).toEqual([]);
    const patch = { ...intake.as, body: { repositories: ['ada/ledger'] } };
    expectStatus(await intake.app.ask('PATCH', `${intake.base}/${own}`, patch), 200);
    expectStatus(await send(delivery, own), 202);
  });
});

describe('a flood', () => {
  it('without a right signature fills neither the list, nor the log, nor the store’s', async () => {
    const target = await intake.hook();
    const count = async (): Promise<number> =>
      Number((await intake.app.sql('SELECT count(*)::int AS n FROM portcullis.audit_events'))[0]?.['n']);
    await intake.send(target, signed(), '192.0.2.77');
    const before = await count();
    for (let n = 0; n < 60; n += 1) {
      await intake.send(target, signed('another secret of at least thirty-two bytes'), '192.0.2.77');
    }
    // Ten one by one; a secret is resolved again at most once in ten seconds.
    expect((await count()) - before).toBeLessThanOrEqual(16);
    expect(await intake.lines(target)).toHaveLength(1);
  });

  it('of one source meets the limit of the source, whatever the hook', async () => {
    await intake.app.forgetAttempts();
    const answers: Answered[] = [];
    for (let n = 0; n < 40; n += 1) {
      const many = Array.from({ length: 20 }, () => intake.send(randomUUID(), signed(), '192.0.2.99'));
      answers.push(...(await Promise.all(many)));
      if (answers.some(({ status }) => status === 429)) break;
    }
    expect(answers.some(({ status, body }) => status === 429 && body.code === 'auth.too_many_requests')).toBe(
      true,
    );
    expectStatus(await intake.send(hook, signed(), '192.0.2.98'), 202);
    await intake.app.forgetAttempts();
  });
});

describe('anything at all', () => {
  const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
  const header = fc.oneof(fc.string({ maxLength: 80, unit: 'grapheme-ascii' }), fc.constant(''));

  it('is never a 5xx and never queued: random bytes, signed or not', async () => {
    const before = await intake.queued();
    await fc.assert(
      fc.asyncProperty(bytes, fc.boolean(), header, async (body, isSigned, junk) => {
        const { headers } = signed();
        const signature = isSigned ? createHmac('sha256', SECRET).update(body).digest('hex') : junk.trim();
        const sent = {
          ...changed(
            { headers, body: '' },
            { 'x-gogs-signature': undefined, 'x-hub-signature-256': undefined },
          ).headers,
        };
        const answer = await sendRaw(
          intake.app,
          hook,
          { ...sent, 'x-gitea-signature': signature },
          body,
          address(),
        );
        expect([400, 401]).toContain(answer.status);
      }),
      { numRuns: 60 },
    );
    expect(await intake.queued()).toBe(before);
  });

  it('is never a 5xx and never queued: a delivery cut short or altered in one byte', async () => {
    const before = await intake.queued();
    const { headers, body } = signed();
    const whole = Buffer.from(body);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(whole.length - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.boolean(),
        async (at, by, cut) => {
          const sent = cut ? whole.subarray(0, at) : Buffer.from(whole);
          if (!cut) sent[at] = (sent[at]! + by) % 256;
          expectStatus(
            await sendRaw(intake.app, hook, headers, sent, address()),
            401,
            'intake.bad_signature',
          );
        },
      ),
      { numRuns: 60 },
    );
    expect(await intake.queued()).toBe(before);
  });

  it('is never a 5xx: any JSON, rightly signed, under any name of an event', async () => {
    const before = await intake.queued();
    const types = fc.constantFrom(
      'push',
      'create',
      'release',
      'pull_request',
      'status',
      'workflow_run',
      'fork',
      'x',
    );
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ maxDepth: 3 }), types, async (value, type) => {
        const delivery = GiteaServer.deliver(type, value as object, SECRET);
        const { status } = await send(delivery);
        expect([400, 403, 409]).toContain(status);
      }),
      { numRuns: 60 },
    );
    expect(await intake.queued()).toBe(before);
  });
});
