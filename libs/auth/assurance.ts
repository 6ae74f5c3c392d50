import type { MfaPolicy } from './policy/org-policy.ts';

/**
 * How a person proved themselves, in the names of RFC 8176: `pwd` a password, `otp` a one-time or recovery code,
 * `hwk` and `swk` a passkey bound to a device or synchronized, `user` with user verification, `mfa` more than one
 * factor.
 */
export type AuthMethod = 'pwd' | 'otp' | 'hwk' | 'swk' | 'user' | 'mfa';

const order: readonly AuthMethod[] = ['pwd', 'otp', 'hwk', 'swk', 'user', 'mfa'];

/** What was proven, and when (RFC 3339). */
export interface Proof {
  readonly authMethods: readonly string[];
  readonly passwordAt?: string | undefined;
  readonly factorAt?: string | undefined;
  /** The factor that was; none where it was a recovery code. */
  readonly factorId?: string | undefined;
}

export const nothingProven: Proof = { authMethods: [] };

/** The proof with a password besides. */
export function withPassword(proof: Proof, at: Date): Proof {
  return { ...proof, authMethods: together(proof.authMethods, ['pwd']), passwordAt: at.toISOString() };
}

/** The proof with a factor besides. */
export function withFactor(
  proof: Proof,
  factor: { readonly methods: readonly AuthMethod[]; readonly id: string | undefined },
  at: Date,
): Proof {
  const authMethods = together(proof.authMethods, factor.methods);
  return { ...proof, authMethods, factorAt: at.toISOString(), factorId: factor.id };
}

/** Methods in one order, with `mfa` exactly where they reach two factors. */
export function together(...lists: readonly (readonly string[])[]): AuthMethod[] {
  const all = new Set(lists.flat());
  all.delete('mfa');
  if (assuranceOf([...all]) === 'aal2') all.add('mfa');
  return order.filter((method) => all.has(method));
}

/** The authenticator assurance level of NIST SP 800-63B-4 that these methods reach together. */
export function assuranceOf(methods: readonly string[]): 'aal1' | 'aal2' {
  return isPhishingResistant(methods) || (methods.includes('pwd') && methods.includes('otp'))
    ? 'aal2'
    : 'aal1';
}

/** A passkey with user verification: two factors in one, bound to our origin. */
export function isPhishingResistant(methods: readonly string[]): boolean {
  return (methods.includes('hwk') || methods.includes('swk')) && methods.includes('user');
}

/** Was anything proven that is no password? */
export function hasProvenFactor(methods: readonly string[]): boolean {
  return methods.includes('otp') || isPhishingResistant(methods);
}

/** Is a session proven by these methods what the organization asks for? */
export function meetsPolicy(mfa: MfaPolicy, methods: readonly string[]): boolean {
  switch (mfa) {
    case 'optional':
      return true;
    case 'required':
      return assuranceOf(methods) === 'aal2';
    case 'phishing-resistant':
      return isPhishingResistant(methods);
  }
}
