import { AccessFault } from '#access';
import type { SystemTx } from '#database';
import type { CallerOrg } from '#kernel';
import { type Account, findAccount, readAccountOrgs } from '../account.store.ts';
import { AuthFault } from '../auth.faults.ts';
import type { Challenge } from '../challenges/challenge.store.ts';
import { refusal } from './sign-in-path.ts';

/** The organization named, or the only one; of a tenant and the platform, the tenant. */
export function chooseOrg(account: Account, orgs: CallerOrg[], slug: string | undefined): CallerOrg {
  const tenants = orgs.filter((org) => org.kind === 'tenant');
  const choices =
    slug === undefined ? (tenants.length > 0 ? tenants : orgs) : orgs.filter((org) => org.slug === slug);
  const [first, ...others] = choices;
  if (!first) throw AuthFault.invalid_credentials({ audit: refusal(account, undefined, 'not_a_member') });
  if (others.length > 0) {
    throw AuthFault.organization_required({
      data: {
        organizations: orgs.map(({ id, slug: name, name: title }) => ({ id, slug: name, name: title })),
      },
      // The proof was right: nobody finds that out unseen.
      audit: refusal(account, undefined, 'organization_required'),
    });
  }
  return first;
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
