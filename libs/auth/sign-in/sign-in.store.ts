import type { Asked, SystemTx } from '#database';
import type { CallerOrg } from '#kernel';
import type { Account } from '../account.store.ts';
import type { KnownDevice } from '../devices/devices.ts';
import { type OrgPolicy, policyOf } from '../policy/org-policy.ts';
import type { FactorKind, PersonFacts } from './sign-in-steps.ts';

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

/** The password that was verified: when it was set, and whether its hash is to be made anew. */
export interface VerifiedPassword {
  readonly setAt: Date | null;
  readonly toChange: boolean;
}

/** What stays so until the end of the transaction, and what was so when it was held. */
export interface HeldSignIn {
  /** The password is still the one that was verified; false where none was. */
  readonly password: boolean;
  readonly policy: OrgPolicy;
  readonly person: PersonFacts;
}

/**
 * Holds what a session is opened by: that not all sessions of the person are being ended, the organization's policy,
 * and the password that was verified. One round trip.
 */
export async function holdSignIn(
  tx: SystemTx,
  userId: string,
  orgId: string,
  { verified, passkeysWork }: { verified: VerifiedPassword | undefined; passkeysWork: boolean },
): Promise<HeldSignIn> {
  const [row] = await tx.prepared<{
    held: boolean;
    settings: unknown;
    must_change: boolean;
    kinds: FactorKind[];
    has_codes: boolean;
  }>(
    'hold_sign_in',
    'SELECT held, settings, must_change, kinds, has_codes FROM hold_sign_in($1, $2, $3, $4)',
    [userId, orgId, verified?.setAt, verified?.toChange ?? false],
  );
  if (!row) throw new Error('hold_sign_in answered nothing');
  const policy = policyOf(row.settings ?? undefined);
  return {
    password: row.held,
    policy,
    person: {
      mustChange: row.must_change,
      mfa: policy.mfa,
      factors: new Set(row.kinds),
      hasRecoveryCodes: row.has_codes,
      passkeysWork,
    },
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
