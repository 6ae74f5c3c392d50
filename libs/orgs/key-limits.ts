import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { KeyLimits } from './key.store.ts';
import { OrgFault } from './org.faults.ts';

/** A key for which nobody thought of an end has this one. */
const DEFAULT_DAYS = 90;

/** What the request for a key says of its limits; `expiresAt` null means that it does not expire by itself. */
interface AskedLimits {
  readonly expiresAt?: string | null | undefined;
  readonly allowedCidrs?: readonly string[] | undefined;
}

/**
 * The limits of a new key. Where nothing is asked: ninety days, from anywhere, or what the key that makes it is
 * limited to where that is less. Faults: `org.bad_expiry`, `org.bad_cidr`, `org.beyond_maker`.
 */
export function limitsOf(asked: AskedLimits, maker: KeyLimits | undefined, now: Date): KeyLimits {
  requireCidrs(asked.allowedCidrs ?? []);
  const limits = {
    expires_at: expiryOf(asked.expiresAt, maker, now),
    allowed_cidrs: [...(asked.allowedCidrs ?? maker?.allowed_cidrs ?? [])],
  };
  if (maker) requireWithin(maker, limits);
  return limits;
}

function expiryOf(asked: string | null | undefined, maker: KeyLimits | undefined, now: Date): Date | null {
  if (asked === null) return null;
  if (asked === undefined) {
    const usual = now.getTime() + DEFAULT_DAYS * 86_400_000;
    return new Date(Math.min(usual, maker?.expires_at?.getTime() ?? Infinity));
  }
  if (Date.parse(asked) > now.getTime()) return new Date(asked);
  throw OrgFault.bad_expiry({ errors: [{ path: 'expiresAt', message: 'must lie ahead' }] });
}

function requireCidrs(cidrs: readonly string[]): void {
  const errors = cidrs.flatMap((cidr, index) =>
    isCidr(cidr) ? [] : [{ path: `allowedCidrs[${index}]`, message: 'must be in CIDR notation' }],
  );
  if (errors.length > 0) throw OrgFault.bad_cidr({ errors });
}

/** Not the short forms (`10/8`), which mean another range than people think. */
function isCidr(text: string): boolean {
  return isIP(text.split('/')[0] ?? '') !== 0 && ipaddr.isValidCIDR(text);
}

/** A key gets nobody a secret that lives longer, or works from more addresses, than itself. */
export function requireWithin(maker: KeyLimits, { expires_at, allowed_cidrs }: KeyLimits): void {
  if ((expires_at?.getTime() ?? Infinity) > (maker.expires_at?.getTime() ?? Infinity)) {
    throw OrgFault.beyond_maker({ data: { limit: 'expiresAt' } });
  }
  if (!cidrsWithin(allowed_cidrs, maker.allowed_cidrs)) {
    throw OrgFault.beyond_maker({ data: { limit: 'allowedCidrs' } });
  }
}

/** Is every address that the inner list allows allowed by the outer one? An empty list allows every address. */
export function cidrsWithin(inner: readonly string[], outer: readonly string[]): boolean {
  if (outer.length === 0) return true;
  if (inner.length === 0) return false;
  const ranges = outer.map((cidr) => ipaddr.parseCIDR(cidr));
  return inner.every((cidr) => {
    const [address, bits] = ipaddr.parseCIDR(cidr);
    return ranges.some(
      (range) => range[0].kind() === address.kind() && range[1] <= bits && address.match(range),
    );
  });
}
