import type { MfaPolicy } from './policy/org-policy.ts';

/**
 * How a person proved themselves, in the names of RFC 8176: `pwd` a password, `otp` a one-time or recovery code,
 * `hwk` and `swk` a passkey bound to a device or synchronized, `user` with user verification, `mfa` more than one.
 */
export type AuthMethod = 'pwd' | 'otp' | 'hwk' | 'swk' | 'user' | 'mfa';

/** The authenticator assurance level of NIST SP 800-63B-4 that these methods reach together. */
export function assuranceOf(methods: readonly string[]): 'aal1' | 'aal2' {
  return isPhishingResistant(methods) || (methods.includes('pwd') && methods.includes('otp'))
    ? 'aal2'
    : 'aal1';
}

/** A passkey with user verification: two factors in one, bound to our origin. */
function isPhishingResistant(methods: readonly string[]): boolean {
  return (methods.includes('hwk') || methods.includes('swk')) && methods.includes('user');
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
