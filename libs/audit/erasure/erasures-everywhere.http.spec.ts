import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
  until,
} from '../../../test/kit/app-in-process.ts';

const mara = { email: 'mara@marker.example', name: 'Mara Marked', password: 'quiet river marked lantern 9' };
const from = { ip: '203.0.113.77', headers: { 'user-agent': 'Marked-Agent/7' } };
const marks = ['marker.example', mara.name, from.ip, from.headers['user-agent']];

let product: AppInProcess;
let operator: SignedIn;
/** A member of this one; invited to that one, which never knew an id; unknown to the last. */
let [member, invited, unknown]: SignedIn[] = [];
let userId = '';

beforeAll(async () => {
  product = await startApp({ worker: true });
  operator = await product.signIn(owner, 'platform');
  [member, invited, unknown] = await Promise.all(
    ['member', 'invited', 'unknown'].map((slug) =>
      product.addTenant(slug, { ...owner, email: `o@${slug}.example`, name: slug }),
    ),
  );
  const { token } = await invite(member!);
  const { name, password } = mara;
  const accepted = await product.post('/auth/invitations/accept', { token, name, password }, from);
  userId = expectStatus(accepted, 201).user.id;
  await product.signIn(mara, undefined, from);
  await invite(invited!);
  expectStatus(await product.post('/auth/login', { email: mara.email, password: 'wrong' }, from), 401);
});
afterAll(() => product.close());

const invite = async (who: SignedIn) =>
  expectStatus(
    await product.post(
      `/orgs/${who.organization.id}/invitations`,
      { email: mara.email, role: 'auditor' },
      { token: who.accessToken },
    ),
    201,
  );
const ask = (who: SignedIn): Promise<Answered> =>
  product.post('/platform/audit-erasures', { userId }, { token: who.accessToken });
const logOf = async (who: SignedIn): Promise<string> => {
  const path = `/orgs/${who.organization.id}/audit/export?limit=10000`;
  const answer = await product.get(path, { token: who.accessToken });
  expectStatus(answer, 200);
  return answer.raw.toString();
};
const marksIn = async (who: SignedIn): Promise<string[]> => {
  const text = await logOf(who);
  return marks.filter((mark) => text.includes(mark));
};
/** Actions of the erasure that stand in a log. */
const recordsIn = async (who: SignedIn): Promise<string[]> =>
  (await logOf(who))
    .split('\n')
    .flatMap((line) => /^\{"action":"(audit\.eras[a-z_]+)"/.exec(line)?.[1] ?? []);

describe('an erasure from all logs', () => {
  it('is for operators of the platform', async () => {
    expectStatus(await ask(member!), 403, 'access.denied');
  });

  it('leaves nothing of the person in any log, and its records in each that spoke of them', async () => {
    for (const who of [member!, invited!]) expect(await marksIn(who)).not.toEqual([]);
    const asked = expectStatus(await ask(operator), 202);
    const ended = await until(async () => {
      const path = `/platform/audit-erasures/${asked.id}`;
      const erasure = expectStatus(await product.get(path, { token: operator.accessToken }), 200);
      return erasure.endedAt !== undefined && erasure;
    });
    expect(ended).toMatchObject({ userId, state: 'completed', logs: 3, stopped: 0 });
    expect(ended.fields).toBeGreaterThan(8);
    for (const who of [member!, invited!]) {
      expect(await marksIn(who)).toEqual([]);
      expect([...new Set(await recordsIn(who))]).toEqual([
        'audit.erasure_requested',
        'audit.erased',
        'audit.erasure_ended',
      ]);
    }
    expect(await recordsIn(operator)).toEqual(['audit.erasure_requested', 'audit.erasure_ended']);
    expect(await recordsIn(unknown!)).toEqual([]);
  });

  it('stops at a legal hold, and says of how many logs', async () => {
    const path = `/orgs/${member!.organization.id}/audit/hold`;
    const token = member!.accessToken;
    expectStatus(await product.ask('PUT', path, { token, body: { reason: 'a case' } }), 200);
    const { id } = expectStatus(await ask(operator), 202);
    const ended = await until(async () => {
      const answer = await product.get(`/platform/audit-erasures/${id}`, { token: operator.accessToken });
      return answer.body.endedAt !== undefined && answer.body;
    });
    expect(ended).toMatchObject({ state: 'stopped', stopped: 1 });
  });

  it('that there is not is not found', async () => {
    const path = `/platform/audit-erasures/${operator.organization.id}`;
    const answer = await product.get(path, { token: operator.accessToken });
    expectStatus(answer, 404, 'audit.erasure_not_found');
  });
});
