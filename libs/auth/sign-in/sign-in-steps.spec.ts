import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assuranceOf, hasProvenFactor, isPhishingResistant, meetsPolicy, together } from '../assurance.ts';
import { mfaPolicies } from '../policy/org-policy.ts';
import {
  enrollable,
  type FactorKind,
  nextStep,
  type PersonFacts,
  provable,
  stepUpMethods,
} from './sign-in-steps.ts';

const facts = (more: Partial<PersonFacts> = {}): PersonFacts => ({
  mustChange: false,
  mfa: 'optional',
  factors: new Set(),
  hasRecoveryCodes: false,
  passkeysWork: true,
  ...more,
});
const has = (...kinds: FactorKind[]) => ({ factors: new Set(kinds), hasRecoveryCodes: kinds.length > 0 });

const anyFacts = fc.record({
  mustChange: fc.boolean(),
  mfa: fc.constantFrom(...mfaPolicies),
  factors: fc.subarray<FactorKind>(['totp', 'passkey']).map((kinds) => new Set(kinds)),
  hasRecoveryCodes: fc.boolean(),
  passkeysWork: fc.boolean(),
});

/** What a person, or somebody else, may try at any moment of a sign-in. */
const moves = [
  'password',
  'passkey_first',
  'change_password',
  'totp',
  'passkey',
  'recovery_code',
  'enroll_totp',
  'enroll_passkey',
] as const;
type Move = (typeof moves)[number];

const gives: Partial<Record<Move, string[]>> = {
  password: ['pwd'],
  passkey_first: ['hwk', 'user'],
  totp: ['otp'],
  passkey: ['swk', 'user'],
  recovery_code: ['otp'],
  enroll_totp: ['otp'],
  enroll_passkey: ['hwk', 'user'],
};

interface Walk {
  readonly facts: PersonFacts;
  readonly proven: string[];
  readonly done: Move[];
}

/** The walk after a move; the same where the move is not open now. As the routes do it: by nextStep alone. */
function after(walk: Walk, move: Move): Walk {
  const next = nextStep(walk.facts, walk.proven);
  const begins = move === 'password' || move === 'passkey_first';
  const open =
    next.step === 'prove_first'
      ? begins && (move === 'password' || walk.facts.factors.has('passkey'))
      : next.step === 'change_password'
        ? move === 'change_password'
        : 'methods' in next && next.methods.some((method) => method === move);
  if (!open) return walk;
  const kinds = new Set(walk.facts.factors);
  if (move === 'enroll_totp') kinds.add('totp');
  if (move === 'enroll_passkey') kinds.add('passkey');
  return {
    facts: {
      ...walk.facts,
      factors: kinds,
      mustChange: move === 'change_password' ? false : walk.facts.mustChange,
    },
    proven: together(walk.proven, gives[move] ?? []),
    done: [...walk.done, move],
  };
}

describe('the steps of a sign-in', () => {
  it('lead to a session by no order of moves that leaves one out', () => {
    fc.assert(
      fc.property(anyFacts, fc.array(fc.constantFrom(...moves), { maxLength: 12 }), (person, tried) => {
        const walk = tried.reduce<Walk>(after, { facts: person, proven: [], done: [] });
        if (nextStep(walk.facts, walk.proven).step !== 'open') return;
        const byPassword = walk.done.includes('password');
        expect(byPassword || walk.done.includes('passkey_first')).toBe(true);
        expect(meetsPolicy(person.mfa, walk.proven)).toBe(true);
        if (person.factors.size > 0) expect(hasProvenFactor(walk.proven)).toBe(true);
        if (person.mustChange && byPassword) expect(walk.done).toContain('change_password');
        // A new factor is only enrolled by who has proven the ones there were.
        const enrolled = walk.done.findIndex((move) => move.startsWith('enroll_'));
        if (enrolled !== -1 && person.factors.size > 0) {
          const before = walk.done.slice(0, enrolled).flatMap((move) => gives[move] ?? []);
          expect(hasProvenFactor(before)).toBe(true);
        }
        if (person.mfa === 'phishing-resistant' && person.factors.has('passkey'))
          expect(walk.done.some((move) => move === 'passkey' || move === 'passkey_first')).toBe(true);
      }),
      { numRuns: 5_000 },
    );
  });

  it('come to an end for everybody whose methods work, whatever was asked for', () => {
    fc.assert(
      fc.property(anyFacts, (person) => {
        let walk: Walk = { facts: person, proven: [], done: [] };
        for (let turn = 0; turn < 8; turn += 1) {
          const next = nextStep(walk.facts, walk.proven);
          if (next.step === 'open') return;
          if ('methods' in next && next.methods.length === 0) {
            // Only passkeys would do, and they do not work here.
            expect(person.passkeysWork).toBe(false);
            return;
          }
          const first = next.step === 'prove_first' ? 'password' : undefined;
          const move = first ?? ('methods' in next ? next.methods[0] : 'change_password');
          const walked = after(walk, move as Move);
          expect(walked).not.toBe(walk);
          walk = walked;
        }
        throw new Error('no end in eight steps');
      }),
    );
  });

  it('are none beyond the password for who has no factor and needs none', () => {
    expect(nextStep(facts(), ['pwd'])).toEqual({ step: 'open' });
  });

  it('ask for the factor of who has one, whatever the policy', () => {
    expect(nextStep(facts(has('totp')), ['pwd'])).toEqual({
      step: 'prove_factor',
      methods: ['totp', 'recovery_code'],
    });
  });

  it('ask for the factor before a new password', () => {
    const person = facts({ ...has('totp'), mustChange: true });
    expect(nextStep(person, ['pwd']).step).toBe('prove_factor');
    expect(nextStep(person, ['pwd', 'otp']).step).toBe('change_password');
  });

  it('ask for a new password before a new factor', () => {
    expect(nextStep(facts({ mfa: 'required', mustChange: true }), ['pwd']).step).toBe('change_password');
    expect(nextStep(facts({ mfa: 'required' }), ['pwd'])).toEqual({
      step: 'enroll',
      methods: ['enroll_passkey', 'enroll_totp'],
    });
  });

  it('take nothing but the passkey where that is asked for and there', () => {
    const person = facts({ ...has('totp', 'passkey'), mfa: 'phishing-resistant' });
    expect(nextStep(person, ['pwd'])).toEqual({ step: 'prove_factor', methods: ['passkey'] });
    expect(nextStep(person, ['pwd', 'otp', 'mfa'])).toEqual({ step: 'prove_factor', methods: ['passkey'] });
    expect(nextStep(person, ['hwk', 'user', 'mfa'])).toEqual({ step: 'open' });
  });

  it('lead by the code to a passkey where that is asked for and not there', () => {
    const person = facts({ ...has('totp'), mfa: 'phishing-resistant' });
    expect(nextStep(person, ['pwd']).step).toBe('prove_factor');
    expect(nextStep(person, ['pwd', 'otp'])).toEqual({ step: 'enroll', methods: ['enroll_passkey'] });
  });
});

describe('what proves a session anew', () => {
  it('is the factor of who has one, never the password', () => {
    fc.assert(
      fc.property(anyFacts, fc.boolean(), (person, fresh) => {
        const methods = stepUpMethods(person, fresh);
        if (person.factors.size > 0) expect(methods).not.toContain('password');
        expect(methods.filter((one) => one.startsWith('enroll_'))).toEqual(
          person.mfa === 'optional' ||
            (person.mfa === 'required' ? person.factors.size > 0 : person.factors.has('passkey'))
            ? []
            : enrollable(person),
        );
      }),
    );
  });

  it('is the password of who has none; and where a factor is asked for, that one is to be enrolled', () => {
    expect(stepUpMethods(facts(), false)).toEqual(['password']);
    const person = facts({ mfa: 'required' });
    expect(stepUpMethods(person, false)).toEqual(['password', 'enroll_passkey', 'enroll_totp']);
    expect(stepUpMethods(person, true)).toEqual(['enroll_passkey', 'enroll_totp']);
  });

  it('is no recovery code of who has no factor that it could stand in for', () => {
    expect(provable(facts({ hasRecoveryCodes: true }))).toEqual([]);
  });
});

describe('methods together', () => {
  it('are more than one factor exactly where they reach AAL2', () => {
    fc.assert(
      fc.property(fc.subarray(['pwd', 'otp', 'hwk', 'swk', 'user', 'mfa']), (methods) => {
        const all = together(methods);
        expect(all.includes('mfa')).toBe(assuranceOf(all) === 'aal2');
        expect(isPhishingResistant(all)).toBe(isPhishingResistant(methods));
      }),
    );
  });
});
