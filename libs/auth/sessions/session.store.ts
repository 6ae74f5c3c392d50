import type { OrgTx, SystemTx } from '#database';
import { newId } from '#kernel';
import type { SessionFacts } from '../authority.ts';
import type { OrgPolicy } from '../policy/org-policy.ts';

export interface SessionRow {
  readonly id: string;
  readonly org_id: string;
  readonly user_id: string;
  readonly created_at: Date;
  readonly expires_at: Date;
  readonly idle_seconds: number;
  readonly auth_methods: string[];
  readonly assurance: string;
  readonly ip: string | null;
  readonly user_agent: string | null;
  readonly password_at: Date | null;
  readonly factor_at: Date | null;
  readonly factor_id: string | null;
  readonly device_id: string | null;
  readonly proven_at: Date | null;
  readonly revoked_at: Date | null;
  readonly revoked_reason: string | null;
  readonly last_seen_at: Date;
}

export const COLUMNS = `s.id, s.org_id, s.user_id, s.created_at, s.expires_at, s.idle_seconds, s.auth_methods, s.assurance,
  s.ip, s.user_agent, s.password_at, s.factor_at, s.factor_id, s.device_id, s.proven_at,
  s.revoked_at, s.revoked_reason, a.last_seen_at`;
export const LIVE = `s.revoked_at IS NULL AND s.expires_at > now()
  AND a.last_seen_at + make_interval(secs => s.idle_seconds) > now()`;

/** Stores a session that begins now, its activity and its first refresh token, in one round trip. */
export async function insertSession(
  tx: SystemTx,
  session: SessionFacts,
  refreshDigest: string,
): Promise<void> {
  await tx.prepared(
    'insert_session',
    `WITH session AS (
       INSERT INTO sessions (org_id, id, user_id, created_at, expires_at, idle_seconds, auth_methods, assurance, ip, user_agent,
                             password_at, factor_at, factor_id, proven_at, device_id)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $13, $14, $15, $16, $17)),
     activity AS (
       INSERT INTO session_activity (org_id, session_id, last_seen_at) VALUES ($1, $2, $4))
     INSERT INTO refresh_tokens (org_id, id, session_id, digest, expires_at) VALUES ($1, $11, $2, $12, $5)`,
    [
      session.organizationId,
      session.id,
      session.userId,
      session.createdAt,
      session.expiresAt,
      session.idleSeconds,
      session.authMethods,
      session.assurance,
      session.ip,
      session.userAgent,
      newId(),
      refreshDigest,
      session.passwordAt,
      session.factorAt,
      session.factorId,
      session.provenAt,
      session.deviceId,
    ],
  );
}

/** A person's live sessions in every organization, newest first. */
export async function readOwnSessions(
  tx: SystemTx,
  userId: string,
  limit: number,
  before?: string,
): Promise<SessionRow[]> {
  return tx.query<SessionRow>(
    `SELECT ${COLUMNS} FROM sessions s JOIN session_activity a ON a.session_id = s.id
      WHERE s.user_id = $1 AND ($2::uuid IS NULL OR s.id < $2) AND ${LIVE} ORDER BY s.id DESC LIMIT $3`,
    [userId, before, limit],
  );
}

/** The organization's live sessions, newest first. */
export async function readOrgSessions(
  tx: OrgTx,
  userId: string | undefined,
  limit: number,
  before?: string,
): Promise<SessionRow[]> {
  return tx.query<SessionRow>(
    `SELECT ${COLUMNS} FROM sessions s JOIN session_activity a ON a.session_id = s.id
      WHERE s.org_id = $1 AND ($2::uuid IS NULL OR s.user_id = $2) AND ($3::uuid IS NULL OR s.id < $3) AND ${LIVE}
      ORDER BY s.id DESC LIMIT $4`,
    [tx.orgId, userId, before, limit],
  );
}

/** Which sessions to end; every given condition must hold. */
export interface SessionSelection {
  readonly id?: string;
  readonly userId?: string;
  readonly orgId?: string;
  /** Those that stand on this factor. */
  readonly factorId?: string;
  /** All but this one. */
  readonly except?: string | undefined;
}

/** Ends sessions and answers whose they were. Sessions already ended stay as they ended. */
export async function revokeSessions(
  tx: OrgTx | SystemTx,
  { id, userId, orgId, factorId, except }: SessionSelection,
  reason: string,
): Promise<{ id: string; org_id: string; user_id: string }[]> {
  return tx.query(
    `UPDATE sessions SET revoked_at = now(), revoked_reason = $5
      WHERE revoked_at IS NULL AND ($1::uuid IS NULL OR id = $1) AND ($2::uuid IS NULL OR user_id = $2)
        AND ($3::uuid IS NULL OR org_id = $3) AND ($4::uuid IS NULL OR id <> $4)
        AND ($6::uuid IS NULL OR factor_id = $6)
      RETURNING id, org_id, user_id`,
    [id, userId, orgId, except, reason, factorId],
  );
}

/**
 * Whoever makes a session of a person holds this with others who do; whoever ends all of them holds it alone. So
 * none is made on a proof that the ending took away, and none escapes it for not being there yet.
 */
export async function lockSessionsOf(
  tx: OrgTx | SystemTx,
  userId: string,
  to: 'open_one' | 'end_all',
): Promise<void> {
  const lock = to === 'end_all' ? 'pg_advisory_xact_lock' : 'pg_advisory_xact_lock_shared';
  await tx.query(`SELECT ${lock}(hashtextextended('sessions:' || $1::text, 0))`, [userId]);
}

/** Has the session not been ended, as far as this transaction can see now? */
export async function isUnrevoked(tx: SystemTx, id: string): Promise<boolean> {
  const row = await tx.one('SELECT FROM sessions WHERE id = $1 AND revoked_at IS NULL', [id]);
  return row !== undefined;
}

/** The membership, locked: of several sign-ins of a person in an organization each sees what the other left. */
export async function lockMembership(tx: SystemTx, orgId: string, userId: string): Promise<void> {
  await tx.query('SELECT FROM memberships WHERE org_id = $1 AND user_id = $2 FOR NO KEY UPDATE', [
    orgId,
    userId,
  ]);
}

/** Ends a person's live sessions in an organization but the `keep` newest. Answers their ids. */
export async function revokeOldest(
  tx: SystemTx,
  { orgId, userId, keep }: { orgId: string; userId: string; keep: number },
  reason: string,
): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(
    `UPDATE sessions SET revoked_at = now(), revoked_reason = $4 WHERE id IN (
       SELECT s.id FROM sessions s JOIN session_activity a ON a.session_id = s.id
        WHERE s.org_id = $1 AND s.user_id = $2 AND ${LIVE} ORDER BY s.created_at DESC, s.id DESC OFFSET $3)
      RETURNING id`,
    [orgId, userId, keep, reason],
  );
  return rows.map(({ id }) => id);
}

/**
 * Shortens the organization's live sessions to lifetimes that got stricter; no session gets longer. In the
 * transaction of the policy's change, whose record is theirs. Answers how many changed.
 */
export async function tightenSessions(
  tx: OrgTx | SystemTx,
  orgId: string,
  { idleSeconds, absoluteSeconds }: Pick<OrgPolicy['session'], 'idleSeconds' | 'absoluteSeconds'>,
): Promise<number> {
  return tx.change(
    `UPDATE sessions SET idle_seconds = least(idle_seconds, $2::integer),
            expires_at = least(expires_at, coalesce(proven_at, created_at) + make_interval(secs => $3))
      WHERE org_id = $1 AND revoked_at IS NULL AND expires_at > now()
        AND (idle_seconds > $2 OR expires_at > coalesce(proven_at, created_at) + make_interval(secs => $3))`,
    [orgId, idleSeconds, absoluteSeconds],
  );
}
