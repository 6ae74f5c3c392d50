import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addressAllowed,
  defaultPolicy,
  domainAllowed,
  mfaPolicies,
  policyOf,
  ranges,
  strictest,
} from './org-policy.ts';

const numbers = [
  ['password', 'minLength'],
  ['session', 'idleSeconds'],
  ['session', 'absoluteSeconds'],
  ...Object.keys(ranges.limits).map((name) => ['limits', name] as const),
] as const;

type Groups = Record<string, Record<string, { min: number; max: number; fallback: number }>>;
const rangeOf = (group: string, name: string) => (ranges as unknown as Groups)[group]![name]!;
const valueOf = (policy: object, group: string, name: string): unknown =>
  (policy as Record<string, Record<string, unknown>>)[group]?.[name];

describe('the policy of an organization', () => {
  it('is the default where nothing was set', () => {
    expect(defaultPolicy).toMatchObject({
      password: { minLength: 8 },
      mfa: 'optional',
      session: { idleSeconds: 3_600, absoluteSeconds: 43_200, maxConcurrent: null },
      allowedCidrs: [],
      allowedEmailDomains: [],
    });
  });

  it('is within its ranges whatever is stored', () => {
    fc.assert(
      fc.property(fc.anything(), fc.dictionary(fc.string(), fc.anything()), (stored, more) => {
        for (const input of [
          stored,
          { limits: stored, session: stored, password: stored, mfa: stored, ...more },
        ]) {
          const policy = policyOf(input);
          for (const [group, name] of numbers) {
            const { min, max } = rangeOf(group, name);
            const value = valueOf(policy, group, name) as number;
            expect(value).toBeGreaterThanOrEqual(min);
            expect(value).toBeLessThanOrEqual(max);
          }
          expect(mfaPolicies).toContain(policy.mfa);
        }
      }),
    );
  });

  it.each(numbers)('keeps %s.%s where it is in range', (group, name) => {
    const { min, max } = rangeOf(group, name);
    for (const value of [min, max]) {
      expect(valueOf(policyOf({ [group]: { [name]: value } }), group, name)).toBe(value);
    }
  });

  it.each(numbers)('is the strictest, not the default, where %s.%s breaks its rule', (group, name) => {
    const { min, max } = rangeOf(group, name);
    const strict = name === 'minLength' || name === 'windowSeconds' ? max : min;
    for (const value of ['12', null, -1, 1.5, max + 1, {}]) {
      expect(valueOf(policyOf({ [group]: { [name]: value } }), group, name)).toBe(strict);
    }
    expect(valueOf(policyOf({ [group]: 'gone' }), group, name)).toBe(strict);
  });

  it('asks for the strongest proof, and accepts nobody, where it cannot be read', () => {
    for (const policy of [policyOf('garbage'), policyOf([]), policyOf({ mfa: 'of', allowedCidrs: ['x'] })]) {
      expect(policy.mfa).toBe('phishing-resistant');
      expect(addressAllowed(policy.allowedCidrs, '127.0.0.1')).toBe(false);
    }
    expect(domainAllowed(policyOf({ allowedEmailDomains: 7 }), 'a@b.example')).toBe(false);
  });

  it('binds a person of several organizations by the strictest of each rule', () => {
    const lenient = policyOf({ password: { minLength: 8 }, limits: { perDevice: 50, windowSeconds: 60 } });
    const strict = policyOf({ password: { minLength: 20 }, limits: { perDevice: 5, windowSeconds: 3_600 } });
    for (const both of [strictest([lenient, strict]), strictest([strict, lenient])]) {
      expect(both.password.minLength).toBe(20);
      expect(both.limits).toMatchObject({ perDevice: 5, windowSeconds: 3_600 });
    }
    expect(strictest([]).limits).toEqual(defaultPolicy.limits);
  });
});

describe('an address', () => {
  it.each([
    [['10.0.0.0/8'], '10.1.2.3', true],
    [['10.0.0.0/8'], '11.1.2.3', false],
    [['10.0.0.0/8'], '::ffff:10.1.2.3', true],
    [['2001:db8::/32'], '2001:db8::1', true],
    [['2001:db8::/32'], '10.1.2.3', false],
    [['10.0.0.0/8'], undefined, false],
    [['10.0.0.0/8'], 'unknown', false],
    [[], undefined, true],
  ] as const)('of %j is matched: %s → %s', (cidrs, ip, expected) => {
    expect(addressAllowed(cidrs, ip)).toBe(expected);
  });
});

describe('a domain', () => {
  it('is the whole of what follows the last @, in any case of letters', () => {
    const policy = { allowedEmailDomains: ['acme.example'] };
    expect(domainAllowed(policy, 'a@ACME.example')).toBe(true);
    expect(domainAllowed(policy, 'a@evil-acme.example')).toBe(false);
    expect(domainAllowed(policy, 'a@sub.acme.example')).toBe(false);
    expect(domainAllowed(policy, '"a@acme.example"@evil.example')).toBe(false);
  });
});
