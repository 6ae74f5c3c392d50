import ipaddr from 'ipaddr.js';
import type { OrgTx } from '#database';
import type { SessionFilter } from './bulk-revocation.contract.ts';
import { COLUMNS, LIVE, type SessionRow } from './session.store.ts';

/** The ids of the organization's live sessions that a filter finds, newest first. */
export async function findSessions(
  tx: OrgTx,
  filter: SessionFilter,
  except: string | undefined,
): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(
    `SELECT s.id FROM sessions s JOIN session_activity a ON a.session_id = s.id
      WHERE s.org_id = $1 AND ${LIVE} AND ($2::uuid IS NULL OR s.id <> $2)
        AND ($3::uuid IS NULL OR s.user_id = $3)
        AND ($4::uuid IS NULL OR s.user_id IN (
              SELECT m.user_id FROM memberships m WHERE m.org_id = $1 AND m.role_id = $4))
        -- An address with a zone (fe80::1%eth0) is none that the server reads.
        AND ($5::inet IS NULL OR CASE WHEN s.ip ~ '^[0-9a-fA-F.:]+$' THEN s.ip::inet <<= $5 ELSE false END)
        AND ($6::text IS NULL OR position(lower($6) IN lower(s.user_agent)) > 0)
        AND ($7::timestamptz IS NULL OR s.created_at < $7)
        AND ($8::timestamptz IS NULL OR a.last_seen_at < $8)
        AND ($9::text IS NULL OR s.assurance = $9)
        AND ($10::text IS NULL OR $10 = ANY (s.auth_methods))
      ORDER BY s.id DESC`,
    [
      tx.orgId,
      except,
      filter.userId,
      filter.roleId,
      filter.cidr && rangeOf(filter.cidr),
      filter.userAgentContains,
      // As Dates: there are moments of RFC 3339 that the server does not read.
      filter.createdBefore && new Date(filter.createdBefore),
      filter.lastSeenBefore && new Date(filter.lastSeenBefore),
      filter.assurance,
      filter.authMethod,
    ],
  );
  return rows.map(({ id }) => id);
}

/** These sessions of the organization, newest first. */
export async function readSessions(tx: OrgTx, ids: readonly string[]): Promise<SessionRow[]> {
  return tx.query<SessionRow>(
    `SELECT ${COLUMNS} FROM sessions s JOIN session_activity a ON a.session_id = s.id
      WHERE s.org_id = $1 AND s.id = ANY ($2) ORDER BY s.id DESC`,
    [tx.orgId, ids],
  );
}

/**
 * Ends those of the sessions that somebody else has not ended meanwhile. Locked in one order by all, so that two who
 * end many never wait for each other crosswise.
 */
export async function revokeThese(
  tx: OrgTx,
  ids: readonly string[],
  reason: string,
): Promise<{ id: string; user_id: string }[]> {
  return tx.query(
    `WITH picked AS (
       SELECT id FROM sessions WHERE org_id = $1 AND id = ANY ($2) AND revoked_at IS NULL
        ORDER BY id DESC FOR NO KEY UPDATE)
     UPDATE sessions s SET revoked_at = now(), revoked_reason = $3 FROM picked WHERE s.id = picked.id
     RETURNING s.id, s.user_id`,
    [tx.orgId, ids, reason],
  );
}

/** The range as the server reads it: of what is written unlike anywhere else (0x7f.1/8, fe80::1%eth0/64) the meaning. */
function rangeOf(cidr: string): string {
  const [address, bits] = ipaddr.parseCIDR(cidr);
  if (address instanceof ipaddr.IPv6) delete address.zoneId;
  return `${address.toString()}/${bits}`;
}
