import type { BuiltInRole } from '#access';
import type { SystemTx } from '#database';
import { meetsPolicy } from './assurance.ts';
import { type Authority, rolePermissions } from './authority.ts';
import { policyOf } from './policy/org-policy.ts';
import type { SessionRow } from './sessions/session.store.ts';
import { sessionFactsOf } from './sessions/session-view.ts';

interface OrgColumns {
  org_id: string;
  org_slug: string;
  org_name: string;
  org_kind: 'tenant' | 'platform';
  org_status: 'active' | 'suspended';
  org_created_at: Date;
  role_id: string;
  built_in: BuiltInRole | null;
  role_permissions: string[];
  user_id: string;
  user_name: string;
  user_email: string;
  /** Stored settings of the organization's policy; null where nothing was set. */
  policy: unknown;
}

const ORG_COLUMNS = `o.id AS org_id, o.slug AS org_slug, o.name AS org_name, o.kind AS org_kind, o.status AS org_status,
  o.created_at AS org_created_at, r.id AS role_id, r.built_in, r.permissions AS role_permissions,
  u.id AS user_id, u.name AS user_name, u.email AS user_email, op.settings AS policy`;

type SessionAuthorityRow = OrgColumns &
  Omit<SessionRow, 'revoked_at' | 'revoked_reason'> & { has_factor: boolean };

/** The authority of a session that is live now, its organization's suspension aside; undefined otherwise. */
export async function readSessionAuthority(tx: SystemTx, id: string): Promise<Authority | undefined> {
  const row = await tx.one<SessionAuthorityRow>(
    `SELECT s.id, s.created_at, s.expires_at, s.idle_seconds, s.auth_methods, s.assurance, s.ip, s.user_agent,
            s.password_at, s.factor_at, s.factor_id, s.device_id, s.proven_at, a.last_seen_at,
            EXISTS (SELECT FROM factors f WHERE f.user_id = u.id) AS has_factor, ${ORG_COLUMNS}
       FROM sessions s
       JOIN session_activity a ON a.session_id = s.id
       JOIN users u ON u.id = s.user_id AND u.status = 'active'
       JOIN memberships m ON m.org_id = s.org_id AND m.user_id = s.user_id AND m.status = 'active'
       JOIN roles r ON r.id = m.role_id
       JOIN organizations o ON o.id = s.org_id
       LEFT JOIN org_policies op ON op.org_id = o.id
      WHERE s.id = $1 AND s.revoked_at IS NULL AND s.expires_at > clock_timestamp()
        AND a.last_seen_at + make_interval(secs => s.idle_seconds) > clock_timestamp()`,
    [id],
  );
  if (!row) return undefined;
  const policy = policyOf(row.policy ?? undefined);
  return {
    key: `session:${row.id}`,
    kind: 'user',
    id: row.user_id,
    display: row.user_name,
    userId: row.user_id,
    email: row.user_email,
    userName: row.user_name,
    org: orgOf(row),
    permissions: rolePermissions({ builtIn: row.built_in, permissions: row.role_permissions }, row.org_kind),
    assured: meetsPolicy(policy.mfa, row.auth_methods),
    hasFactor: row.has_factor,
    policyCidrs: policy.allowedCidrs,
    subjects: [`session:${row.id}`, ...sharedSubjects(row)],
    expiresAt: row.expires_at.getTime(),
    idleMs: row.idle_seconds * 1_000,
    lastUsed: row.last_seen_at.getTime(),
    session: sessionFactsOf(row),
    apiKey: undefined,
  };
}

interface ApiKeyRow extends OrgColumns {
  id: string;
  name: string;
  digest: string;
  pepper_id: string;
  previous_digest: string | null;
  previous_pepper_id: string;
  previous_until: Date | null;
  permissions: string[];
  allowed_cidrs: string[];
  expires_at: Date | null;
}

/**
 * The authority of an API key that is live now: its permissions, as far as its owner still holds them. The secret
 * is not checked here.
 */
export async function readApiKeyAuthority(tx: SystemTx, id: string): Promise<Authority | undefined> {
  const row = await tx.one<ApiKeyRow>(
    `SELECT k.id, k.name, k.digest, k.pepper_id, k.previous_digest, k.previous_pepper_id, k.previous_until,
            k.permissions, k.allowed_cidrs, k.expires_at,
            ${ORG_COLUMNS}
       FROM api_keys k
       JOIN users u ON u.id = k.owner_id AND u.status = 'active'
       JOIN memberships m ON m.org_id = k.org_id AND m.user_id = k.owner_id AND m.status = 'active'
       JOIN roles r ON r.id = m.role_id
       JOIN organizations o ON o.id = k.org_id
       LEFT JOIN org_policies op ON op.org_id = o.id
      WHERE k.id = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())`,
    [id],
  );
  if (!row) return undefined;
  const held = rolePermissions({ builtIn: row.built_in, permissions: row.role_permissions }, row.org_kind);
  return {
    key: `api_key:${row.id}`,
    kind: 'api_key',
    id: row.id,
    display: row.name,
    userId: row.user_id,
    email: row.user_email,
    userName: row.user_name,
    org: orgOf(row),
    permissions: new Set(row.permissions.filter((name) => held.has(name))),
    assured: true,
    hasFactor: false,
    policyCidrs: policyOf(row.policy ?? undefined).allowedCidrs,
    subjects: [`api_key:${row.id}`, ...sharedSubjects(row)],
    expiresAt: row.expires_at?.getTime() ?? Infinity,
    idleMs: Infinity,
    lastUsed: 0,
    session: undefined,
    apiKey: {
      digest: row.digest,
      pepperId: row.pepper_id,
      previousPepperId: row.previous_pepper_id,
      previousDigest: row.previous_digest ?? undefined,
      previousUntil: row.previous_until?.getTime() ?? 0,
      allowedCidrs: row.allowed_cidrs,
    },
  };
}

/** A key that is not live, or not with this secret: what tells whether somebody presents what it was. */
export async function readEndedKey(
  tx: SystemTx,
  id: string,
): Promise<{ org_id: string; digest: string; pepper_id: string } | undefined> {
  return tx.one('SELECT org_id, digest, pepper_id FROM api_keys WHERE id = $1', [id]);
}

function orgOf(row: OrgColumns): Authority['org'] {
  return {
    id: row.org_id,
    slug: row.org_slug,
    name: row.org_name,
    kind: row.org_kind,
    status: row.org_status,
    createdAt: row.org_created_at.toISOString(),
  };
}

/** The subjects of `invalidations` that both kinds of credential depend on; see the migration create-revocation. */
function sharedSubjects(row: OrgColumns): string[] {
  return [
    `user:${row.user_id}`,
    `membership:${row.org_id}:${row.user_id}`,
    `role:${row.role_id}`,
    `org:${row.org_id}`,
  ];
}
