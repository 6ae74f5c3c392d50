import { domainAllowed, readPolicy } from '#auth';
import type { OrgTx, SystemTx } from '#database';
import { OrgFault } from './org.faults.ts';

/**
 * Throws `org.email_domain_not_allowed` with `path` where the organization's policy does not take this address.
 * Asked when somebody becomes a member; who is one already stays when the policy is tightened.
 */
export async function requireDomain(
  tx: OrgTx | SystemTx,
  orgId: string,
  email: string,
  path: 'email' | 'token',
): Promise<void> {
  if (domainAllowed(await readPolicy(tx, orgId), email)) return;
  throw OrgFault.email_domain_not_allowed({
    errors: [{ path, message: 'is of a domain that the organization does not accept' }],
  });
}
