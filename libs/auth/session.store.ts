import type { OrgTx, SystemTx } from '#database';
import { newId } from '#kernel';
import type { SessionFacts } from './authority.ts';

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
  readonly revoked_at: Date | null;
  readonly revoked_reason: string | null;
  readonly last_seen_at: Date;
}

const COLUMNS = `s.id, s.org_id, s.user_id, s.created_at, s.expires_at, s.idle_seconds, s.auth_methods, s.assurance,
  s.ip, s.user_agent, s.password_at, s.factor_at, s.factor_id, s.revoked_at, s.revoked_reason, a.last_seen_at`;
const LIVE = `s.revoked_at IS NULL AND s.expires_at > now()
  AND a.last_seen_at + make_interval(secs => s.idle_seconds) > now()`;

/** Stores a session that begins now, its activity and its first refresh token, in one round trip. */
export async function insertSession(
  tx: SystemTx,
  session: SessionFacts,
  refreshDigest: string,
): Promise<void> {
  await tx.query(
    `WITH session AS (
       INSERT INTO sessions (org_id, id, user_id, created_at, expires_at, idle_seconds, auth_methods, assurance, ip, user_agent,
                             password_at, factor_at, factor_id)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $13, $14, $15)),
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
  readonly except?: string;
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

export interface RefreshRow extends SessionRow {
  readonly token_id: string;
  readonly used_at: Date | null;
  readonly live: boolean;
}

/** The token and its session, both locked, so that of two refreshes with one token only one is the first. */
export async function lockRefreshToken(tx: SystemTx, digest: string): Promise<RefreshRow | undefined> {
  return tx.one<RefreshRow>(
    `SELECT t.id AS token_id, t.used_at, ${COLUMNS},
            (${LIVE} AND t.expires_at > now() AND u.status = 'active' AND m.status = 'active' AND o.status = 'active') AS live
       FROM refresh_tokens t
       JOIN sessions s ON s.id = t.session_id
       JOIN session_activity a ON a.session_id = s.id
       JOIN users u ON u.id = s.user_id
       JOIN memberships m ON m.org_id = s.org_id AND m.user_id = s.user_id
       JOIN organizations o ON o.id = s.org_id
      WHERE t.digest = $1 FOR UPDATE OF t, s`,
    [digest],
  );
}

export async function insertRefreshToken(
  tx: SystemTx,
  token: { orgId: string; sessionId: string; digest: string; expiresAt: string },
): Promise<void> {
  await tx.query(
    'INSERT INTO refresh_tokens (org_id, id, session_id, digest, expires_at) VALUES ($1, $2, $3, $4, $5)',
    [token.orgId, newId(), token.sessionId, token.digest, token.expiresAt],
  );
}

export async function markRefreshTokenUsed(tx: SystemTx, id: string, sessionId: string): Promise<void> {
  await tx.query('UPDATE refresh_tokens SET used_at = now() WHERE id = $1', [id]);
  await tx.query('UPDATE session_activity SET last_seen_at = now() WHERE session_id = $1', [sessionId]);
}
