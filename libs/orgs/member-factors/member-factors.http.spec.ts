import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../../test/kit/app-in-process.ts';
import { FactorPerson, ORIGIN } from '../../../test/kit/factor-people.ts';

let app: AppInProcess;
let admin: SignedIn;

beforeAll(async () => {
  app = await startApp({ publicUrl: ORIGIN });
});
beforeEach(async () => {
  await app.change('DELETE FROM portcullis.org_policies');
  await app.forgetAttempts();
  admin = await app.signIn(owner);
});
afterAll(() => app.close());

const join = (name: string): Promise<FactorPerson> => FactorPerson.join(app, admin, name);
/** Makes every proof of a session older than any route takes. */
const age = (sessionId: string) =>
  app.change(
    `UPDATE sessions SET password_at = password_at - interval '1 hour', factor_at = factor_at - interval '1 hour'
      WHERE id = $1`,
    [sessionId],
  );
const refusedStepUp = async (answer: Answered) =>
  expectStatus(answer, 401, 'auth.step_up_required').data.challenge;

describe('factors that a member has lost', () => {
  const factorsOf = (person: FactorPerson, id = '') =>
    `/orgs/${admin.organization.id}/members/${person.id}/factors${id && `/${id}`}`;

  it('are seen and removed by an admin; the member’s sessions end, and the record names both', async () => {
    const ada = await join('tara');
    await ada.addTotp();
    const as = { token: admin.accessToken };
    const { items } = expectStatus(await app.get(factorsOf(ada), as), 200);
    expect(items).toMatchObject([{ id: ada.totpId, kind: 'totp' }]);
    expectStatus(await app.delete(factorsOf(ada, ada.totpId), as), 204);
    expectStatus(await ada.get('/auth/me'), 401, 'auth.session_ended');
    const removed = (await app.records(admin.organization.id, 'auth.factor_removed')).at(-1);
    expect(removed).toMatchObject({ actor: { id: admin.user.id }, target: { id: ada.id } });
    expectStatus(await ada.login(), 200);
  });

  it('are not removed without a fresh proof, nor of somebody who may do more, nor of nobody here', async () => {
    const [ada, gus] = [await join('ute'), await FactorPerson.join(app, admin, 'vito', 'admin')];
    await ada.addTotp();
    const ownerPath = `/orgs/${admin.organization.id}/members/${admin.user.id}/factors/${ada.totpId}`;
    expectStatus(await app.delete(ownerPath, { token: gus.token }), 403, 'org.grant_ceiling');
    const nobody = `/orgs/${admin.organization.id}/members/${ada.totpId}/factors/${ada.totpId}`;
    expectStatus(await app.delete(nobody, { token: gus.token }), 404, 'org.member_not_found');
    await age(gus.session.session.id);
    const refused = await app.delete(factorsOf(ada, ada.totpId), { token: gus.token });
    await refusedStepUp(refused);
    expectStatus(
      await app.delete(factorsOf(gus, ada.totpId), { token: admin.accessToken }),
      404,
      'auth.factor_not_found',
    );
  });

  it('of somebody with other organizations are removed by platform operators alone', async () => {
    const ada = await join('wanda');
    await ada.addTotp();
    const tenant = await app.addTenant('initech', {
      email: 'ina@initech.example',
      name: 'Ina',
      password: 'early winter orchard gate 6',
    });
    await app.addMember(tenant, ada.account, 'viewer');
    const as = { token: admin.accessToken };
    expectStatus(await app.delete(factorsOf(ada, ada.totpId), as), 409, 'auth.factors_shared');
    const user = `/users/${ada.id}/factors`;
    expectStatus(await app.get(user, as), 403, 'access.denied');
    const operator = { token: (await app.signIn(owner, 'platform')).accessToken };
    expect(expectStatus(await app.get(user, operator), 200).items).toHaveLength(1);
    expectStatus(await app.delete(`${user}/${ada.totpId}`, operator), 204);
    expectStatus(await ada.get('/auth/me'), 401, 'auth.session_ended');
  });
});
