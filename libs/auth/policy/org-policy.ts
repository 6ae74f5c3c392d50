/**
 * What an organization decides of its own security. Only what differs from the defaults is stored; a stored value
 * that cannot be read counts as the strictest (`strictest`), never as the default.
 */
export const mfaPolicies = ['optional', 'required', 'phishing-resistant'] as const;
export type MfaPolicy = (typeof mfaPolicies)[number];

export interface OrgPolicy {
  readonly password: {
    /** Unicode code points; 15 are advised where there is no second factor. */
    readonly minLength: number;
  };
  /** What a session of the organization must be proven by. */
  readonly mfa: MfaPolicy;
  readonly session: {
    /** Seconds without use after which a session ends. */
    readonly idleSeconds: number;
    /** Seconds after which a session ends however much it is used. */
    readonly absoluteSeconds: number;
    /** Live sessions a person may have here; a further one ends the oldest. Null: any number. */
    readonly maxConcurrent: number | null;
  };
  /** Attempts within `windowSeconds`, counted before they are verified; beyond them nothing is verified. */
  readonly limits: {
    readonly windowSeconds: number;
    /** Passwords, from one known device, or for one account from one source. */
    readonly perDevice: number;
    /** Passwords, for one account from everywhere but its known devices. */
    readonly perAccount: number;
    /** Codes of one second factor of one account. */
    readonly perFactor: number;
    /** Sign-ins to this organization from devices that are not known. */
    readonly perOrganization: number;
    /** Unauthenticated requests from one source; the platform organization’s policy decides for all. */
    readonly perSource: number;
  };
  /** Addresses that sessions and keys are accepted from, in CIDR notation; empty means from anywhere. */
  readonly allowedCidrs: readonly string[];
  /** Domains of the addresses that may become members; empty means any. */
  readonly allowedEmailDomains: readonly string[];
}

/** The lowest and the highest value of every number, and its default. NIST SP 800-63B-4 and ASVS 5.0 6.2, 7.3. */
export const ranges = {
  password: { minLength: { min: 8, max: 64, fallback: 8 } },
  session: {
    idleSeconds: { min: 60, max: 30 * 86_400, fallback: 3_600 },
    absoluteSeconds: { min: 300, max: 90 * 86_400, fallback: 12 * 3_600 },
    maxConcurrent: { min: 1, max: 10_000, fallback: null },
  },
  limits: {
    windowSeconds: { min: 60, max: 86_400, fallback: 900 },
    perDevice: { min: 3, max: 100, fallback: 10 },
    perAccount: { min: 10, max: 10_000, fallback: 100 },
    perFactor: { min: 3, max: 100, fallback: 5 },
    perOrganization: { min: 10, max: 1_000_000, fallback: 5_000 },
    perSource: { min: 10, max: 1_000_000, fallback: 300 },
  },
} as const;
