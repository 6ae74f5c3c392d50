import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectAnswer } from '../kit/client.ts';
import { addKey, enrollTotp, signIn, type SignedIn } from '../kit/tenancy.ts';
import {
  admin,
  closeCluster,
  holds,
  inOrg,
  meOf,
  members,
  newMember,
  openCluster,
  operator,
  replicas,
  revokeSession,
  tenantOwner,
  token,
} from './revocation-cluster.ts';

/** Three processes on one database under load: see revocation-cluster.ts. */
describe('a revocation holds when it answers', () => {
  beforeAll(openCluster);
  afterAll(closeCluster);

  it('of a session, by the admin', async () => {
    const victim = await newMember();
    await holds('session revoked', {
      victims: [meOf('the member', victim)],
      sessions: [victim],
      refused: { status: 401 },
      revoke: () => revokeSession(victim),
    });
  });

  it('T15: of all sessions of a member, and of no other member', async () => {
    const account = members.at(-1)!;
    const sessions = [
      await newMember(),
      await signIn(replicas[1]!, account),
      await signIn(replicas[2]!, account),
    ];
    const other = await newMember();
    await holds('member’s sessions revoked', {
      victims: sessions.map((one, n) => meOf(`session ${n}`, one)),
      sessions,
      others: [meOf('the admin', admin), meOf('another member', other)],
      refused: { status: 401 },
      revoke: async () => {
        const path = inOrg(`/members/${sessions[0]!.user.id}/sessions`);
        const answer = await replicas[1]!.api.delete(path, { token: token() });
        // The session in which the password was changed is theirs too.
        expect(expectAnswer(answer, 200).revoked).toBe(sessions.length + 1);
      },
    });
  });

  it('of the own session, by signing out, and of no other of the same person', async () => {
    const account = members.at(-1)!;
    const victim = await newMember();
    const other = await signIn(replicas[0]!, account);
    await holds('signed out', {
      victims: [meOf('the session', victim)],
      sessions: [victim],
      others: [meOf('another session of the same person', other), meOf('the admin', admin)],
      refused: { status: 401 },
      revoke: async () => {
        const { accessToken } = victim;
        expectAnswer(await replicas[2]!.api.post('/auth/logout', undefined, { token: accessToken }), 204);
      },
    });
  });

  it('T15: of all other sessions of a person, by the person, who stays signed in', async () => {
    const account = members.at(-1)!;
    const asking = await newMember();
    const others = [await signIn(replicas[1]!, account), await signIn(replicas[2]!, account)];
    await holds('own other sessions revoked', {
      victims: others.map((one, n) => meOf(`session ${n}`, one)),
      sessions: others,
      others: [meOf('the one that asks', asking), meOf('the admin', admin)],
      refused: { status: 401 },
      revoke: async () => {
        const answer = await replicas[0]!.api.delete('/auth/sessions', { token: asking.accessToken });
        expect(expectAnswer(answer, 200).revoked).toBeGreaterThanOrEqual(others.length);
      },
    });
  });

  it('of a membership that is removed', async () => {
    const victim = await newMember();
    await holds('member removed', {
      victims: [meOf('the member', victim)],
      sessions: [victim],
      refused: { status: 401 },
      revoke: async () => {
        const path = inOrg(`/members/${victim.user.id}`);
        expectAnswer(await replicas[0]!.api.delete(path, { token: token() }), 204);
      },
    });
  });

  it('of a membership that is disabled', async () => {
    const victim = await newMember();
    await holds('membership disabled', {
      victims: [meOf('the member', victim)],
      sessions: [victim],
      refused: { status: 401 },
      revoke: async () => {
        const path = inOrg(`/members/${victim.user.id}`);
        const answer = await replicas[0]!.api.patch(path, { status: 'disabled' }, { token: token() });
        expectAnswer(answer, 200);
      },
    });
  });

  it('T15: of a factor, for every session that stands on it; the one that removes it lives on', async () => {
    const account = members.at(-1)!;
    const asks = await newMember();
    const { id, nextCode } = await enrollTotp(replicas[0]!, asks);
    const login = { email: account.email, password: account.password };
    const refused = expectAnswer(await replicas[1]!.api.post('/auth/login', login), 401, 'auth.mfa_required');
    const verify = { challengeId: refused.data.challenge.id, method: 'totp', code: nextCode };
    const victim = expectAnswer<SignedIn>(await replicas[2]!.api.post('/auth/login/verify', verify), 200);
    await holds('factor removed', {
      victims: [meOf('a session by the factor', victim)],
      sessions: [victim],
      others: [meOf('the session that removes it', asks), meOf('the admin', admin)],
      refused: { status: 401 },
      revoke: async () => {
        const path = `/auth/factors/${id}?endOtherSessions=false`;
        const answer = await replicas[1]!.api.delete(path, { token: asks.accessToken });
        expect(expectAnswer(answer, 200).revoked).toBe(1);
      },
    });
  });

  it('of a permission, by a lesser role; the session itself lives on', async () => {
    const member = await newMember();
    const path = inOrg(`/members/${member.user.id}`);
    expectAnswer(await replicas[0]!.api.patch(path, { role: 'admin' }, { token: token() }), 200);
    await holds('role downgraded', {
      victims: [{ name: 'the member', token: member.accessToken, path: inOrg('/members') }],
      others: [meOf('the same session', member), meOf('another organization', tenantOwner)],
      refused: { status: 403, code: 'access.denied' },
      revoke: async () => {
        expectAnswer(await replicas[1]!.api.patch(path, { role: 'viewer' }, { token: token() }), 200);
      },
    });
  });

  it('of an API key', async () => {
    const [key, other] = [
      await addKey(replicas[0]!, admin, ['member:read']),
      await addKey(replicas[0]!, admin, ['member:read']),
    ];
    await holds('API key revoked', {
      // A route that asks no database, where the second check would cover for a stale cache.
      victims: [{ name: 'the key', token: key.key, path: '/auth/me' }],
      others: [{ name: 'another key', token: other.key, path: inOrg('/members') }, meOf('the admin', admin)],
      refused: { status: 401 },
      revoke: async () => {
        expectAnswer(await replicas[2]!.api.delete(inOrg(`/api-keys/${key.id}`), { token: token() }), 204);
      },
    });
  });

  it('of an API key that somebody who found it hands in', async () => {
    const [key, other] = [
      await addKey(replicas[0]!, admin, ['member:read']),
      await addKey(replicas[0]!, admin, ['member:read']),
    ];
    await holds('API key handed in', {
      victims: [{ name: 'the key', token: key.key, path: '/auth/me' }],
      others: [{ name: 'another key', token: other.key, path: '/auth/me' }, meOf('the admin', admin)],
      refused: { status: 401 },
      revoke: async () => {
        expectAnswer(await replicas[1]!.api.post('/auth/api-keys/revoke', { key: key.key }), 204);
      },
    });
  });

  it('of a whole organization that is suspended, and of no other', async () => {
    const path = `/orgs/${tenantOwner.organization.id}`;
    await holds('organization suspended', {
      victims: [meOf('its owner', tenantOwner)],
      sessions: [tenantOwner],
      others: [meOf('the admin of another', admin), meOf('the operator', operator)],
      refused: { status: 403, code: 'access.org_suspended' },
      revoke: async () => {
        const answer = await replicas[0]!.api.post(`${path}/suspend`, undefined, {
          token: operator.accessToken,
        });
        expectAnswer(answer, 200);
      },
    });
    const resumed = await replicas[0]!.api.post(`${path}/resume`, undefined, { token: operator.accessToken });
    expectAnswer(resumed, 200);
    expectAnswer(await replicas[2]!.api.get('/auth/me', { token: tenantOwner.accessToken }), 200);
  });
});
