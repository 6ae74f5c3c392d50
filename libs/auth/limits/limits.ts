import { type OrgPolicy, ranges } from '../policy/org-policy.ts';

export type Limits = OrgPolicy['limits'];

/** What counts where no organization has said anything. */
export const defaultLimits: Limits = {
  windowSeconds: ranges.limits.windowSeconds.fallback,
  perDevice: ranges.limits.perDevice.fallback,
  perAccount: ranges.limits.perAccount.fallback,
  perFactor: ranges.limits.perFactor.fallback,
  perOrganization: ranges.limits.perOrganization.fallback,
  perSource: ranges.limits.perSource.fallback,
};

/** For an account of several organizations: the fewest attempts and the longest window that any of them wants. */
export function strictestLimits(all: readonly Limits[]): Limits {
  const [first, ...others] = all;
  if (!first) return defaultLimits;
  return others.reduce(
    (strict, next) => ({
      windowSeconds: Math.max(strict.windowSeconds, next.windowSeconds),
      perDevice: Math.min(strict.perDevice, next.perDevice),
      perAccount: Math.min(strict.perAccount, next.perAccount),
      perFactor: Math.min(strict.perFactor, next.perFactor),
      perOrganization: Math.min(strict.perOrganization, next.perOrganization),
      perSource: Math.min(strict.perSource, next.perSource),
    }),
    first,
  );
}
