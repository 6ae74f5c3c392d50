import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/**
 * What an organization decides of its own security. Only what was set is stored; the rest are the defaults of the
 * running version. A stored value that breaks its rule counts as the strictest there is, never as the default.
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

interface Range {
  readonly min: number;
  readonly max: number;
  readonly fallback: number;
}

/** The lowest and the highest value of every number, and its default. NIST SP 800-63B-4 and ASVS 5.0 6.2, 7.3. */
export const ranges = {
  password: { minLength: { min: 8, max: 64, fallback: 8 } },
  session: {
    idleSeconds: { min: 60, max: 30 * 86_400, fallback: 3_600 },
    absoluteSeconds: { min: 300, max: 90 * 86_400, fallback: 12 * 3_600 },
  },
  maxConcurrent: { min: 1, max: 10_000 },
  limits: {
    windowSeconds: { min: 60, max: 86_400, fallback: 900 },
    perDevice: { min: 3, max: 100, fallback: 10 },
    perAccount: { min: 10, max: 10_000, fallback: 100 },
    perFactor: { min: 3, max: 100, fallback: 5 },
    perOrganization: { min: 10, max: 1_000_000, fallback: 5_000 },
    perSource: { min: 10, max: 1_000_000, fallback: 300 },
  },
} as const;

/** What was set: any part of a policy. */
export type PolicySettings = {
  readonly [K in keyof OrgPolicy]?: OrgPolicy[K] extends readonly string[] | string
    ? OrgPolicy[K]
    : Partial<OrgPolicy[K]>;
};

/** No address and no domain is in these: what lists that cannot be read come to. */
const NOWHERE = ['255.255.255.255/32'];
const NOBODY = ['invalid'];

/** The policy that stored settings make; `stored` is JSON from the database, or undefined where nothing was set. */
export function policyOf(stored: unknown): OrgPolicy {
  if (stored !== undefined && stored !== null && !isRecord(stored)) return policyOf(UNREADABLE);
  const settings = stored ?? {};
  const { password, session, limits, mfa, allowedCidrs, allowedEmailDomains } = settings;
  const limit = (name: keyof OrgPolicy['limits'], strict: 'min' | 'max' = 'min'): number =>
    numberOf(limits, name, ranges.limits[name], strict);
  return {
    password: { minLength: numberOf(password, 'minLength', ranges.password.minLength, 'max') },
    mfa: mfa === undefined ? 'optional' : (mfaPolicies.find((one) => one === mfa) ?? 'phishing-resistant'),
    session: {
      idleSeconds: numberOf(session, 'idleSeconds', ranges.session.idleSeconds, 'min'),
      absoluteSeconds: numberOf(session, 'absoluteSeconds', ranges.session.absoluteSeconds, 'min'),
      maxConcurrent: maxConcurrentOf(session),
    },
    limits: {
      windowSeconds: limit('windowSeconds', 'max'),
      perDevice: limit('perDevice'),
      perAccount: limit('perAccount'),
      perFactor: limit('perFactor'),
      perOrganization: limit('perOrganization'),
      perSource: limit('perSource'),
    },
    allowedCidrs: listOf(allowedCidrs, isCidr, NOWHERE),
    allowedEmailDomains: listOf(allowedEmailDomains, isDomain, NOBODY),
  };
}

/** Settings of which nothing can be read. */
const UNREADABLE: Record<string, unknown> = {
  password: null,
  mfa: null,
  session: null,
  limits: null,
  allowedCidrs: null,
  allowedEmailDomains: null,
};

export const defaultPolicy: OrgPolicy = policyOf(undefined);

/**
 * What binds a person who belongs to several organizations, as far as it is theirs and not a session's: the longest
 * password, the fewest attempts.
 */
export function strictest(policies: readonly OrgPolicy[]): Pick<OrgPolicy, 'password' | 'limits'> {
  const [first = defaultPolicy, ...others] = policies;
  return others.reduce<Pick<OrgPolicy, 'password' | 'limits'>>(
    (so, { password, limits }) => ({
      password: { minLength: Math.max(so.password.minLength, password.minLength) },
      limits: {
        windowSeconds: Math.max(so.limits.windowSeconds, limits.windowSeconds),
        perDevice: Math.min(so.limits.perDevice, limits.perDevice),
        perAccount: Math.min(so.limits.perAccount, limits.perAccount),
        perFactor: Math.min(so.limits.perFactor, limits.perFactor),
        perOrganization: Math.min(so.limits.perOrganization, limits.perOrganization),
        perSource: Math.min(so.limits.perSource, limits.perSource),
      },
    }),
    first,
  );
}

/** The strictest value where one was set that breaks the rule. */
function numberOf(group: unknown, name: string, range: Range, strict: 'min' | 'max'): number {
  if (group === undefined) return range.fallback;
  const value = isRecord(group) ? group[name] : null;
  if (value === undefined) return range.fallback;
  return isWhole(value, range) ? value : range[strict];
}

function maxConcurrentOf(session: unknown): number | null {
  if (session === undefined) return null;
  const value = isRecord(session) ? session['maxConcurrent'] : ranges.maxConcurrent.min;
  if (value === undefined || value === null) return null;
  return isWhole(value, ranges.maxConcurrent) ? value : ranges.maxConcurrent.min;
}

function listOf(
  value: unknown,
  holds: (item: string) => boolean,
  unreadable: readonly string[],
): readonly string[] {
  if (value === undefined) return [];
  const good = Array.isArray(value) && value.every((item) => typeof item === 'string' && holds(item));
  return good ? (value as string[]) : unreadable;
}

export function isCidr(text: string): boolean {
  // Not the short forms (`10/8`), which mean another range than people think.
  return isIP(text.split('/')[0] ?? '') !== 0 && ipaddr.isValidCIDR(text);
}

const DOMAIN =
  /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** A domain name in small letters, of two labels or more. */
export function isDomain(text: string): boolean {
  return DOMAIN.test(text);
}

/** May this address become a member? */
export function domainAllowed(policy: Pick<OrgPolicy, 'allowedEmailDomains'>, email: string): boolean {
  const domain = email.slice(email.lastIndexOf('@') + 1).toLowerCase();
  return policy.allowedEmailDomains.length === 0 || policy.allowedEmailDomains.includes(domain);
}

/** Closed where there is a list and the address is unknown or cannot be read. */
export function addressAllowed(cidrs: readonly string[], ip: string | undefined): boolean {
  if (cidrs.length === 0) return true;
  // The strict reading first: `10.1` or `0x7f.1` is an address to few, and to no proxy.
  if (ip === undefined || isIP(ip) === 0 || !ipaddr.isValid(ip)) return false;
  const address = ipaddr.process(ip);
  return cidrs.some((cidr) => {
    const range = ipaddr.parseCIDR(cidr);
    return range[0].kind() === address.kind() && address.match(range);
  });
}

function isWhole(value: unknown, { min, max }: { min: number; max: number }): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
