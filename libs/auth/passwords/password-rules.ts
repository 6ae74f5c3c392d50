import { isLike } from './likeness.ts';
import { isRun, unitOf } from './patterns.ts';

/**
 * What a password must be (ASVS 5.0, 6.2; NIST SP 800-63B-4, 3.1.1.2): long enough, not what an attacker tries
 * first. No composition rules and no expiry, for they make passwords worse. It is taken exactly as typed: nothing
 * is trimmed, changed in case or normalized before it is hashed; only comparisons here fold it.
 */

/** No organization may go below; 15 is advised where there is no second factor. */
export const MIN_LENGTH = 8;
export const MAX_LENGTH = 128;

/** Closed: answers carry these, and clients translate them. */
export const passwordReasons = {
  too_short: 'is too short',
  too_long: `must have at most ${MAX_LENGTH} characters`,
  common: 'is among the passwords that breaches showed to be the most common',
  predictable: 'repeats itself or follows the keys of a keyboard',
  similar: 'is too much like your name, your e-mail address, your organization or this product',
} as const;

export type PasswordReason = keyof typeof passwordReasons;

/** Whose password it is to be; what it must not be like. */
export interface PasswordOwner {
  readonly email: string;
  readonly name: string;
  /** `id` is absent where the organization is only being made. */
  readonly organizations: readonly { readonly id?: string; readonly name: string; readonly slug: string }[];
}

export interface PasswordRules {
  /** Characters are Unicode code points. */
  readonly minLength: number;
  readonly owner: PasswordOwner;
  /** Is it in the list, in whatever case? */
  readonly isCommon: (password: string) => boolean;
}

const PRODUCT_WORDS = ['portcullis'];

/** Everything that is wrong with a password; empty where it may be used. */
export function passwordFaults(
  password: string,
  { minLength, owner, isCommon }: PasswordRules,
): PasswordReason[] {
  const length = [...password].length;
  // The rest would take time that grows with the length, and help nobody.
  if (length > MAX_LENGTH) return ['too_long'];
  const faults: PasswordReason[] = [];
  const floor = Math.min(Math.max(minLength, MIN_LENGTH), MAX_LENGTH);
  if (length < floor) faults.push('too_short');
  const unit = unitOf(password);
  const repeats = unit !== password;
  if (isCommon(password) || (repeats && isCommon(unit))) faults.push('common');
  if (isRun(password) || (repeats && [...unit].length < MIN_LENGTH)) faults.push('predictable');
  if (isLike(password, wordsOf(owner))) faults.push('similar');
  return faults;
}

/** Whole and in parts: `ada.lovelace@acme.example` is tried as `adalovelace`, `lovelace`, `acme`. */
function wordsOf({ email, name, organizations }: PasswordOwner): string[] {
  const texts = [...PRODUCT_WORDS, email, name, ...organizations.flatMap((org) => [org.name, org.slug])];
  const [local = '', domain = ''] = email.split('@');
  return [...texts, local, domain, ...texts.flatMap((text) => text.split(/[^\p{L}\p{M}\p{N}]+/u))];
}
