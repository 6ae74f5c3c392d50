import type { BuiltInRole } from '#access';
import type { SystemTx } from '#database';

export async function readMemberRole(
  tx: SystemTx,
  orgId: string,
  userId: string,
): Promise<{ built_in: BuiltInRole | null; permissions: string[] } | undefined> {
  return tx.one(
    `SELECT r.built_in, r.permissions FROM memberships m JOIN roles r ON r.id = m.role_id
      WHERE m.org_id = $1 AND m.user_id = $2`,
    [orgId, userId],
  );
}

export async function belongsElsewhere(tx: SystemTx, userId: string, orgId: string): Promise<boolean> {
  const other = await tx.one('SELECT FROM memberships WHERE user_id = $1 AND org_id <> $2 LIMIT 1', [
    userId,
    orgId,
  ]);
  return other !== undefined;
}

export async function findUser(tx: SystemTx, userId: string): Promise<boolean> {
  return (await tx.one('SELECT FROM users WHERE id = $1', [userId])) !== undefined;
}
