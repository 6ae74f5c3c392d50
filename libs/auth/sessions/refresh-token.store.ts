import type { SystemTx } from '#database';
import { newId } from '#kernel';
import { COLUMNS, LIVE, type SessionRow } from './session.store.ts';

export interface RefreshRow extends SessionRow {
  readonly token_id: string;
  readonly used_at: Date | null;
  /** The session, the token and everything they stand on are live. */
  readonly live: boolean;
}

/**
 * The token and its session. The first to come has both alone. Those who come at the same moment wait for the first and
 * then find the token used, all of them at once: one by one, fifty would be too slow.
 */
export async function lockRefreshToken(tx: SystemTx, digest: string): Promise<RefreshRow | undefined> {
  const first = await readToken(tx, digest, 'AND t.used_at IS NULL FOR UPDATE OF t, s SKIP LOCKED');
  if (first) return first;
  const again = await readToken(tx, digest, 'FOR SHARE OF t');
  // Who was first has refused it, and so will we: two that wait for more than they share would wait for each other.
  if (!again?.live || again.used_at !== null) return again;
  // Who was first has failed, or somebody else held the session.
  return readToken(tx, digest, 'FOR UPDATE OF t, s');
}

async function readToken(tx: SystemTx, digest: string, how: string): Promise<RefreshRow | undefined> {
  return tx.one<RefreshRow>(
    `SELECT t.id AS token_id, t.used_at, ${COLUMNS},
            (${LIVE} AND t.expires_at > now() AND u.status = 'active' AND m.status = 'active' AND o.status = 'active') AS live
       FROM refresh_tokens t
       JOIN sessions s ON s.id = t.session_id
       JOIN session_activity a ON a.session_id = s.id
       JOIN users u ON u.id = s.user_id
       JOIN memberships m ON m.org_id = s.org_id AND m.user_id = s.user_id
       JOIN organizations o ON o.id = s.org_id
      WHERE t.digest = $1 ${how}`,
    [digest],
  );
}

export interface Successor {
  /** The token, wrapped by the master key. */
  readonly wrapped: string;
  /** Who got it; see refresh-grace.ts. */
  readonly client: string;
}

/**
 * What a used token was answered with, while the grace lasts. A statement of its own, after the lock: the one that
 * waited for the lock does not see what was committed meanwhile.
 */
export async function readSuccessor(tx: SystemTx, tokenId: string): Promise<Successor | undefined> {
  return tx.one<Successor>(
    'SELECT wrapped, client FROM refresh_successors WHERE token_id = $1 AND erase_at > now()',
    [tokenId],
  );
}

/** Marks the token as used, its session as seen, and stores the token that comes after, in one round trip. */
export async function rotateRefreshToken(
  tx: SystemTx,
  { token_id: usedId, id: sessionId, org_id: orgId, expires_at: expiresAt }: RefreshRow,
  next: { digest: string; successor: Successor | undefined; graceSeconds: number },
): Promise<void> {
  const { wrapped, client } = next.successor ?? {};
  await tx.query(
    `WITH used AS (UPDATE refresh_tokens SET used_at = now() WHERE id = $1),
     seen AS (UPDATE session_activity SET last_seen_at = now() WHERE session_id = $2),
     next AS (
       INSERT INTO refresh_tokens (org_id, id, session_id, digest, expires_at) VALUES ($3, $4, $2, $5, $6))
     INSERT INTO refresh_successors (org_id, token_id, wrapped, client, erase_at)
     SELECT $3, $1, $7, $8, now() + make_interval(secs => $9) WHERE $7::text IS NOT NULL`,
    [usedId, sessionId, orgId, newId(), next.digest, expiresAt, wrapped, client, next.graceSeconds],
  );
}
