import type { SessionFacts } from '../authority.ts';
import type { SessionView } from '../auth.contract.ts';
import { deviceLabel } from './device-label.ts';
import type { SessionRow } from './session.store.ts';

/** A session as people and admins see it. `currentId` is the session that asks. */
export function sessionView(
  session: SessionFacts,
  lastSeenAt: Date,
  currentId: string | undefined,
): SessionView {
  return {
    id: session.id,
    userId: session.userId,
    organizationId: session.organizationId,
    createdAt: session.createdAt,
    lastSeenAt: lastSeenAt.toISOString(),
    idleExpiresAt: new Date(lastSeenAt.getTime() + session.idleSeconds * 1_000).toISOString(),
    expiresAt: session.expiresAt,
    authMethods: [...session.authMethods],
    assurance: session.assurance,
    ip: session.ip,
    userAgent: session.userAgent,
    deviceLabel: deviceLabel(session.userAgent),
    current: session.id === currentId,
  };
}

export function sessionFactsOf(
  row: Omit<SessionRow, 'revoked_at' | 'revoked_reason' | 'last_seen_at'>,
): SessionFacts {
  return {
    id: row.id,
    userId: row.user_id,
    organizationId: row.org_id,
    createdAt: row.created_at.toISOString(),
    expiresAt: row.expires_at.toISOString(),
    idleSeconds: row.idle_seconds,
    authMethods: row.auth_methods,
    assurance: row.assurance,
    passwordAt: row.password_at?.toISOString(),
    factorAt: row.factor_at?.toISOString(),
    factorId: row.factor_id ?? undefined,
    deviceId: row.device_id ?? undefined,
    provenAt: row.proven_at?.toISOString(),
    ip: row.ip ?? undefined,
    userAgent: row.user_agent ?? undefined,
  };
}
