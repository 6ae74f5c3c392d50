import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { withCommit } from '../templates/template-plan.ts';
import { GITEA, judgeFacts, resultOf, type Said } from './facts.ts';

const said: fc.Arbitrary<Said[]> = fc.array(
  fc.record({
    result: fc.constantFrom('pass', 'fail', 'inconclusive'),
    observedAt: fc.integer({ min: 0, max: 2_000 }),
    keyRevoked: fc.constant(false),
  }),
  { maxLength: 8 },
);
const type = fc.constantFrom(...Object.values(GITEA));

describe('what Gitea says of a commit', () => {
  it('passes only where something speaks for it, lately, and nothing against it', () => {
    fc.assert(
      fc.property(type, said, (predicateType, facts) => {
        const { verdict } = judgeFacts(predicateType, facts, 2_000, 1_000);
        const fresh = facts.some(({ result, observedAt }) => result === 'pass' && observedAt > 1_000);
        const against = facts.some(({ result }) => result === 'fail');
        const open = facts.some(({ result }) => result === 'inconclusive') && predicateType !== GITEA.review;
        expect(verdict === 'pass').toBe(fresh && !against && !open);
      }),
    );
  });

  it('passes never where the key that signed some of it was revoked', () => {
    fc.assert(
      fc.property(type, said, (predicateType, facts) => {
        const revoked = [...facts, { result: 'pass', observedAt: 2_000, keyRevoked: true } as const];
        expect(judgeFacts(predicateType, revoked, 2_000, 1_000).reason).toBe('key_revoked');
      }),
    );
  });

  it('is for it only by a review that stands and approves, or by success', () => {
    const of = (kind: 'review' | 'status' | 'workflow', state: string, standing?: boolean) =>
      resultOf({ kind, state, standing });
    expect(of('review', 'APPROVED', true)).toBe('pass');
    expect(of('review', 'APPROVED', false)).toBe('inconclusive');
    expect(of('review', 'REQUEST_CHANGES', true)).toBe('fail');
    expect(of('review', 'COMMENT', true)).toBe('inconclusive');
    expect(['success', 'failure', 'error', 'pending', 'warning'].map((state) => of('status', state))).toEqual(
      ['pass', 'fail', 'fail', 'inconclusive', 'inconclusive'],
    );
  });
});

describe('a template', () => {
  it('takes the commit into the arguments of steps and into nothing else', () => {
    const step = { name: '{commit}', arguments: { a: ['x {commit} {commit}'], b: { c: '{commit}' }, d: 1 } };
    expect(withCommit({ environment: '{commit}', steps: [step] }, 'abc')).toEqual({
      environment: '{commit}',
      steps: [{ name: '{commit}', arguments: { a: ['x abc abc'], b: { c: 'abc' }, d: 1 } }],
    });
  });
});
