import { hasProvenFactor, isPhishingResistant, meetsPolicy } from '../assurance.ts';
import type { MfaPolicy } from '../policy/org-policy.ts';

/** Ways to prove a second factor, or to enroll one. */
export type FactorMethod = 'totp' | 'passkey' | 'recovery_code';
export type EnrollMethod = 'enroll_totp' | 'enroll_passkey';
export type FactorKind = 'totp' | 'passkey';

/** What decides which steps a person has to go. */
export interface PersonFacts {
  /** The password was given once. */
  readonly mustChange: boolean;
  readonly mfa: MfaPolicy;
  /** Kinds of factors the person has. */
  readonly factors: ReadonlySet<FactorKind>;
  readonly hasRecoveryCodes: boolean;
  /** Whether passkeys work at all under the deployment's address. */
  readonly passkeysWork: boolean;
}

export type Step =
  | { readonly step: 'prove_first' }
  | { readonly step: 'prove_factor'; readonly methods: readonly FactorMethod[] }
  | { readonly step: 'change_password' }
  | { readonly step: 'enroll'; readonly methods: readonly EnrollMethod[] }
  | { readonly step: 'open' };

/**
 * The next step of a sign-in, by what is so now and what was proven on the way here. Each step that was taken is
 * followed by asking this again, so there is no order of steps that gets around one:
 * a factor, where the person has one; a new password, where it was given once (behind the factor, so that whoever
 * got hold of it alone changes nothing); a new factor, where the organization asks for more than was proven.
 */
export function nextStep(facts: PersonFacts, proven: readonly string[]): Step {
  if (!proven.includes('pwd') && !isPhishingResistant(proven)) return { step: 'prove_first' };
  if (facts.factors.size > 0 && !hasProvenFactor(proven)) {
    return { step: 'prove_factor', methods: provable(facts) };
  }
  if (facts.mustChange && proven.includes('pwd')) return { step: 'change_password' };
  if (meetsPolicy(facts.mfa, proven)) return { step: 'open' };
  // A code was proven where a passkey is asked for and enrolled.
  if (hasGoodFactor(facts)) return { step: 'prove_factor', methods: provable(facts) };
  return { step: 'enroll', methods: enrollable(facts) };
}

/** Has the person a factor that is good enough for the policy, usable or not? */
export function hasGoodFactor({ mfa, factors }: Pick<PersonFacts, 'mfa' | 'factors'>): boolean {
  switch (mfa) {
    case 'optional':
      return true;
    case 'required':
      return factors.size > 0;
    case 'phishing-resistant':
      return factors.has('passkey');
  }
}

/**
 * How the person can prove a factor. Where only a passkey is good enough and there is one, nothing else will do: a
 * phished code must not lead to a new passkey.
 */
export function provable(facts: PersonFacts): FactorMethod[] {
  const { factors, mfa, hasRecoveryCodes, passkeysWork } = facts;
  const passkey: FactorMethod[] = factors.has('passkey') && passkeysWork ? ['passkey'] : [];
  if (mfa === 'phishing-resistant' && factors.has('passkey')) return passkey;
  return [
    ...passkey,
    ...(factors.has('totp') ? (['totp'] as const) : []),
    ...(factors.size > 0 && hasRecoveryCodes ? (['recovery_code'] as const) : []),
  ];
}

/** What the person may enroll to meet the policy. */
export function enrollable({ mfa, passkeysWork }: Pick<PersonFacts, 'mfa' | 'passkeysWork'>): EnrollMethod[] {
  return [
    ...(passkeysWork ? (['enroll_passkey'] as const) : []),
    ...(mfa === 'phishing-resistant' ? [] : (['enroll_totp'] as const)),
  ];
}

/**
 * How a session is to be proven anew: by a factor where the person has one, else by the password; and what has to
 * be enrolled besides, where no proof the person can give is enough. `fresh`: there is a fresh proof already.
 */
export function stepUpMethods(
  facts: PersonFacts,
  fresh: boolean,
): ('password' | FactorMethod | EnrollMethod)[] {
  const good = hasGoodFactor(facts);
  const proof = facts.factors.size > 0 ? provable(facts) : (['password'] as const);
  return [...(fresh && !good ? [] : proof), ...(good ? [] : enrollable(facts))];
}
