import { AccessFault } from '#access';
import type { SystemTx } from '#database';
import { type CallerOrg, tokenDigest } from '#kernel';
import { type Account, findAccount, readAccountOrgs } from '../account.store.ts';
import { AuthFault } from '../auth.faults.ts';
import type { Challenge } from '../challenges/challenge.store.ts';
import type { KnownDevice } from '../devices/devices.ts';
import { refusal } from './sign-in-path.ts';
import { findDevice } from './sign-in.store.ts';

/** The organization named; else of tenants and the platform the tenants. */
export function choicesOf<Org extends CallerOrg>(orgs: readonly Org[], slug: string | undefined): Org[] {
  if (slug !== undefined) return orgs.filter((org) => org.slug === slug);
  const tenants = orgs.filter((org) => org.kind === 'tenant');
  return tenants.length > 0 ? tenants : [...orgs];
}

export function organizationRequired(account: Account, orgs: readonly CallerOrg[]): Error {
  return AuthFault.organization_required({
    data: { organizations: orgs.map(({ id, slug, name }) => ({ id, slug, name })) },
    // The proof was right: nobody finds that out unseen.
    audit: refusal(account, undefined, 'organization_required'),
  });
}

export function requireActive(account: Account, org: CallerOrg): void {
  if (org.status !== 'active')
    throw AccessFault.org_suspended({ audit: refusal(account, org, 'org_suspended') });
}

/** Whose sign-in a challenge continues, as they are now. Throws `auth.invalid_challenge` where nobody's. */
export async function resume(
  tx: SystemTx,
  challenge: Challenge | undefined,
): Promise<{ challenge: Challenge; account: Account; org: CallerOrg }> {
  const account =
    challenge?.userId === undefined ? undefined : await findAccount(tx, { id: challenge.userId });
  const orgs = account ? await readAccountOrgs(tx, account.id) : [];
  const org = orgs.find((one) => one.id === challenge?.orgId);
  if (!challenge || !account || !org || account.status !== 'active' || org.status !== 'active') {
    throw AuthFault.invalid_challenge({
      audit: { action: 'auth.sign_in_refused', reason: 'invalid_challenge' },
    });
  }
  return { challenge, account, org };
}

/** The device of a token, where it is this person's. */
export async function deviceOf(
  tx: SystemTx,
  userId: string,
  token: string | undefined,
): Promise<KnownDevice | undefined> {
  return token === undefined ? undefined : findDevice(tx, userId, tokenDigest(token));
}
