import type { Asked } from '#database';
import type { CallerOrg } from '#kernel';
import type { Account } from '../account.store.ts';
import type { KnownDevice } from '../devices/devices.ts';
import { type OrgPolicy, policyOf } from '../policy/org-policy.ts';

/** Everything that a sign-in reads before it verifies anything. */
export interface SignInFacts {
  readonly account: Account | undefined;
  /** Of the token that came along, where it is this account's. */
  readonly device: KnownDevice | undefined;
  /** The organizations the person may sign in to, oldest first, and their policies. */
  readonly orgs: (CallerOrg & { readonly policy: OrgPolicy })[];
  readonly platform: { readonly id: string; readonly policy: OrgPolicy };
}

type Row = Omit<Account, 'id'> & {
  readonly id: string | null;
  readonly device_id: string | null;
  readonly device_seen_at: Date | null;
  readonly device_proven: boolean | null;
  readonly orgs: (CallerOrg & { settings: unknown })[];
  readonly platform_id: string;
  readonly platform_settings: unknown;
};

/**
 * One statement, one round trip, and the same work for an address that nobody has: the organizations are asked of
 * nobody too.
 */
export async function readForSignIn(
  asked: Asked,
  email: string,
  deviceDigest: string | undefined,
): Promise<SignInFacts> {
  const [row] = await asked.prepared<Row>(
    'read_for_sign_in',
    `SELECT u.id, u.email, u.name, u.status, u.locked_until, p.hash, p.must_change, p.valid_until, p.changed_at,
            d.id AS device_id, d.last_seen_at AS device_seen_at, d.proven AS device_proven,
            o.id AS platform_id, s.settings AS platform_settings,
            (SELECT coalesce(json_agg(json_build_object('id', m.org_id, 'slug', mo.slug, 'name', mo.name,
                      'kind', mo.kind, 'status', mo.status, 'createdAt', mo.created_at, 'settings', ms.settings)
                      ORDER BY mo.id), '[]')
               FROM memberships m JOIN organizations mo ON mo.id = m.org_id
               LEFT JOIN org_policies ms ON ms.org_id = mo.id
              WHERE m.user_id = coalesce(u.id, '00000000-0000-7000-8000-000000000000') AND m.status = 'active') AS orgs
       FROM organizations o
       LEFT JOIN org_policies s ON s.org_id = o.id
       LEFT JOIN users u ON u.email = $1
       LEFT JOIN passwords p ON p.user_id = u.id
       LEFT JOIN devices d ON d.digest = $2 AND d.user_id = u.id AND d.expires_at > now()
      WHERE o.kind = 'platform'`,
    [email.toLowerCase(), deviceDigest],
  );
  if (!row) throw new Error('there is no platform organization');
  const { id, device_id, device_seen_at, device_proven } = row;
  return {
    account: id === null ? undefined : { ...row, id },
    device:
      device_id === null || device_seen_at === null
        ? undefined
        : { id: device_id, lastSeenAt: device_seen_at, proven: device_proven === true },
    orgs: row.orgs.map(({ settings, ...org }) => ({
      ...org,
      createdAt: new Date(org.createdAt).toISOString(),
      policy: policyOf(settings),
    })),
    platform: { id: row.platform_id, policy: policyOf(row.platform_settings) },
  };
}

/** The device of a token, where it is this person's. */
export async function findDevice(
  asked: Asked,
  userId: string,
  digest: string,
): Promise<KnownDevice | undefined> {
  const [row] = await asked.prepared<KnownDevice>(
    'find_device',
    `SELECT id, last_seen_at AS "lastSeenAt", proven FROM devices
      WHERE user_id = $1 AND digest = $2 AND expires_at > now()`,
    [userId, digest],
  );
  return row;
}
