import { describe, expect, it } from 'vitest';
import type { RolloutRow } from '../lifecycle/rollout.store.ts';
import type { PolicyRules } from '../policy/policy-rules.ts';
import { personsOf, type SamePerson } from './people.ts';
import type { StandingRow } from './person.store.ts';
import type { Quorum } from './quorum.ts';
import type { SignOffRow } from './sign-off.store.ts';
import { standOf } from './standing.ts';

const DIGEST = 'sha256:one';
const RECOVERY = 'sha256:back';
const now = new Date('2026-11-22T12:00:00Z');
const one: Quorum = { anyOf: [{ allOf: [{ count: 1 }] }] };
const two: Quorum = { anyOf: [{ allOf: [{ count: 2 }] }] };

const account = (userId: string, change: Partial<StandingRow> = {}): StandingRow => ({
  user_id: userId,
  email: `${userId}@acme.example`,
  role_name: 'admin',
  built_in: 'admin',
  permissions: [],
  org_kind: 'tenant',
  active: true,
  ...change,
});

let ids = 0;
const signed = (userId: string, change: Partial<SignOffRow> & { ago?: number } = {}): SignOffRow => ({
  id: String((ids += 1)),
  purpose: 'change',
  digest: DIGEST,
  decision: 'approve',
  user_id: userId,
  comment: '',
  at: new Date(now.getTime() - (change.ago ?? 10) * 1000),
  ...change,
});

/** Ann, Bob, Cid and Eve are members; Zoe wrote the change. */
function stand(
  signOffs: SignOffRow[],
  more: {
    rules?: Partial<PolicyRules>;
    members?: StandingRow[];
    links?: SamePerson[];
    producers?: string[];
    row?: Partial<RolloutRow>;
  } = {},
) {
  const members = more.members ?? ['ann', 'bob', 'cid', 'eve', 'zoe'].map((name) => account(name));
  const rules = { consensus: false, denials: 1, separate: [], approvalSeconds: 60, ...more.rules };
  const row = {
    author_id: 'zoe',
    planner_id: null,
    executor_id: null,
    verifier_id: null,
    digest: DIGEST,
    recovery_digest: RECOVERY,
    plan: { policy: { rules } },
    ...more.row,
  } as unknown as RolloutRow;
  return standOf(row, {
    signOffs,
    askers: new Map(),
    producers: more.producers ?? [],
    accounts: new Map(members.map((member) => [member.user_id, member])),
    personOf: personsOf(
      members.map(({ user_id: userId, email }) => ({ userId, email })),
      more.links ?? [],
    ),
    now,
  });
}
const isMet = (...asked: Parameters<typeof stand>): boolean => stand(...asked).isMet(one, 'change', DIGEST);

describe('an approval', () => {
  it('counts of an active member who may sign off now', () => {
    expect(isMet([signed('ann')])).toBe(true);
    expect(isMet([signed('gone')])).toBe(false);
    expect(isMet([signed('ann')], { members: [account('ann', { active: false })] })).toBe(false);
    const viewer = account('ann', { built_in: 'viewer', role_name: 'viewer' });
    expect(isMet([signed('ann')], { members: [viewer] })).toBe(false);
    const made = account('ann', { built_in: null, role_name: 'signers', permissions: ['rollout:sign-off'] });
    expect(isMet([signed('ann')], { members: [made] })).toBe(true);
  });

  it('counts for its digest, and for its purpose', () => {
    expect(isMet([signed('ann', { digest: 'sha256:other' })])).toBe(false);
    expect(isMet([signed('ann', { purpose: 'rollback' })])).toBe(false);
    const back = stand([signed('ann', { purpose: 'rollback', digest: RECOVERY })]);
    expect(back.isMet(one, 'rollback', RECOVERY)).toBe(true);
    expect(back.isMet(one, 'change', RECOVERY)).toBe(false);
  });

  it('ends, and is none where it is of the future', () => {
    expect(isMet([signed('ann', { ago: 59 })])).toBe(true);
    expect(isMet([signed('ann', { ago: 60 })])).toBe(false);
    expect(isMet([signed('ann', { ago: -60 })])).toBe(true);
    expect(isMet([signed('ann', { ago: -61 })])).toBe(false);
  });

  it('of the author, or of whoever planned it, counts never', () => {
    expect(isMet([signed('zoe')])).toBe(false);
    expect(isMet([signed('ann')], { row: { planner_id: 'ann' } })).toBe(false);
    expect(isMet([signed('ann')], { links: [['ann', 'zoe']] })).toBe(false);
    const twin = account('ann', { email: 'zoe+work@acme.example' });
    expect(isMet([signed('ann')], { members: [twin, account('zoe')] })).toBe(false);
  });

  it.each([
    ['evidence_producer', { producers: ['ann'] }],
    ['executor', { row: { executor_id: 'ann' } }],
    ['verifier', { row: { verifier_id: 'ann' } }],
  ] as const)('of who is the %s counts only where the policy lets one be both', (duty, more) => {
    const given = { ...more, producers: [...('producers' in more ? more.producers : [])] };
    expect(isMet([signed('ann')], given)).toBe(true);
    expect(isMet([signed('ann')], { ...given, rules: { separate: [['approver', duty]] } })).toBe(false);
    expect(isMet([signed('bob')], { ...given, rules: { separate: [['approver', duty]] } })).toBe(true);
  });

  it('by two accounts of one person is one, with the roles of both', () => {
    const met = (quorum: Quorum, links: SamePerson[]) => {
      const members = [account('ann', { role_name: 'devops' }), account('bob', { role_name: 'security' })];
      return stand([signed('ann'), signed('bob')], { members, links }).isMet(quorum, 'change', DIGEST);
    };
    expect(met(two, [])).toBe(true);
    expect(met(two, [['ann', 'bob']])).toBe(false);
    for (const role of ['devops', 'security'])
      expect(met({ anyOf: [{ allOf: [{ count: 1, role }] }] }, [['ann', 'bob']])).toBe(true);
  });

  it('of one account brings no role of another that denied it before, or may not sign off', () => {
    const security: Quorum = { anyOf: [{ allOf: [{ count: 1, role: 'security' }] }] };
    const met = (other: SignOffRow, active = true) => {
      const members = [
        account('ann', { role_name: 'devops' }),
        account('bob', { role_name: 'security', active }),
      ];
      const asked = stand([signed('ann', { ago: 10 }), other], { members, links: [['ann', 'bob']] });
      expect(asked.isMet(one, 'change', DIGEST)).toBe(true);
      return asked.isMet(security, 'change', DIGEST);
    };
    expect(met(signed('bob', { ago: 20 }))).toBe(true);
    expect(met(signed('bob', { ago: 20, decision: 'deny' }))).toBe(false);
    expect(met(signed('bob', { ago: 20 }), false)).toBe(false);
  });

  it('is not undone by what an account that may not sign off says later', () => {
    const members = [account('ann'), account('bob', { active: false })];
    const said = [signed('ann', { ago: 20 }), signed('bob', { ago: 10, decision: 'deny' })];
    expect(isMet(said, { members, links: [['ann', 'bob']] })).toBe(true);
  });

  it('makes its person the approver, from whom other duties are kept', () => {
    const { conflicts } = stand([signed('ann'), signed('bob', { decision: 'deny' })], {
      rules: { separate: [['approver', 'executor']], denials: 2 },
    });
    expect(conflicts('ann', 'executor')).toEqual(['approver']);
    expect(conflicts('bob', 'executor')).toEqual([]);
    expect(conflicts('ann', 'verifier')).toEqual([]);
  });
});

describe('a denial', () => {
  const denied = (userId: string, change: Partial<SignOffRow> & { ago?: number } = {}) =>
    signed(userId, { decision: 'deny', ...change });

  it('is enough alone, or as many as the policy says, or alone again by consensus', () => {
    expect(stand([denied('ann')]).denied).toBe(true);
    expect(stand([denied('ann')], { rules: { denials: 2 } }).denied).toBe(false);
    expect(stand([denied('ann'), denied('bob')], { rules: { denials: 2 } }).denied).toBe(true);
    expect(stand([denied('ann')], { rules: { denials: 2, consensus: true } }).denied).toBe(true);
    expect(stand([]).denied).toBe(false);
  });

  it('by two accounts of one person is one', () => {
    const both = [denied('ann'), denied('bob')];
    expect(stand(both, { rules: { denials: 2 }, links: [['ann', 'bob']] }).denied).toBe(false);
  });

  it('stands however old it is', () => {
    expect(stand([denied('ann', { ago: 1_000_000 })]).denied).toBe(true);
    expect(stand([denied('ann', { ago: -1_000 })]).denied).toBe(true);
  });

  it('lets no approval count while it stands, of each purpose by itself', () => {
    const approvals = [signed('ann'), signed('bob')];
    expect(isMet([...approvals, denied('cid')])).toBe(false);
    expect(isMet([...approvals, denied('cid', { digest: 'sha256:other' })])).toBe(true);
    expect(isMet([...approvals, denied('cid', { purpose: 'freeze' })])).toBe(true);
    const about = { purpose: 'rollback', digest: RECOVERY } as const;
    const back = stand([signed('ann', about), denied('bob', about)]);
    expect(back.isMet(one, 'rollback', RECOVERY)).toBe(false);
    expect(back.missing(one, 'rollback', RECOVERY)).toEqual([{ count: 1 }]);
    expect(back.denied).toBe(false);
  });

  it('of nobody who may sign off denies nothing', () => {
    expect(stand([denied('gone')]).denied).toBe(false);
    expect(stand([denied('zoe')]).denied).toBe(false);
  });

  it('and an approval of one person: what they decided last counts, by whichever account', () => {
    const links: SamePerson[] = [['ann', 'bob']];
    const rules = { denials: 2 };
    const later = stand([signed('ann', { ago: 20 }), denied('bob', { ago: 10 })], { links, rules });
    expect(later.isMet(one, 'change', DIGEST)).toBe(false);
    const sooner = stand([signed('ann', { ago: 10 }), denied('bob', { ago: 20 })], { links });
    expect([sooner.denied, sooner.isMet(one, 'change', DIGEST)]).toEqual([false, true]);
    const tied = [signed('ann'), denied('bob')];
    for (const order of [tied, tied.toReversed()]) expect(stand(order, { links }).denied).toBe(true);
  });
});
