import type { OrgTx, SystemTx } from '#database';

export interface DeviceRow {
  readonly id: string;
  readonly user_agent: string | null;
  readonly first_seen_at: Date;
  readonly last_seen_at: Date;
  readonly expires_at: Date;
  readonly current: boolean;
}

/** A device that looks like one that never showed its token takes that one's place. */
export interface NewDevice {
  readonly id: string;
  readonly userId: string;
  readonly digest: string;
  readonly userAgent: string | undefined;
  readonly likeness: string;
  /** Until it has shown its token. */
  readonly seconds: number;
}

/** Stores a device. Answers its id, and whether the person was never seen on anything like it. */
export async function insertDevice(
  tx: SystemTx,
  { id, userId, digest, userAgent, likeness, seconds }: NewDevice,
): Promise<{ id: string; unlike: boolean }> {
  const [row] = await tx.query<{ id: string; unlike: boolean }>(
    // The second part sees the table as it was before the first.
    `WITH kept AS (
       INSERT INTO devices (id, user_id, digest, user_agent, likeness, expires_at)
       VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))
       ON CONFLICT (user_id, likeness) WHERE NOT proven DO UPDATE
         SET digest = excluded.digest, last_seen_at = now(), expires_at = excluded.expires_at
       RETURNING id)
     SELECT kept.id, NOT EXISTS (SELECT FROM devices WHERE user_id = $2 AND likeness = $5) AS unlike FROM kept`,
    [id, userId, digest, userAgent, likeness, seconds],
  );
  if (!row) throw new Error('the device was not stored');
  return row;
}

/** The device showed its token: it is proven, and known for so long again. */
export async function renewDevice(tx: SystemTx, id: string, seconds: number): Promise<void> {
  await tx.query(
    `UPDATE devices SET proven = true, last_seen_at = now(), expires_at = now() + make_interval(secs => $2)
      WHERE id = $1`,
    [id, seconds],
  );
}

/** A person's devices, newest first. */
export async function readDevices(
  tx: SystemTx,
  userId: string,
  sessionId: string | undefined,
  limit: number,
  before?: string,
): Promise<DeviceRow[]> {
  return tx.query<DeviceRow>(
    `SELECT d.id, d.user_agent, d.first_seen_at, d.last_seen_at, d.expires_at,
            d.id IS NOT DISTINCT FROM (SELECT device_id FROM sessions WHERE id = $2) AS current
       FROM devices d
      WHERE d.user_id = $1 AND ($3::uuid IS NULL OR d.id < $3) AND d.expires_at > now()
      ORDER BY d.id DESC LIMIT $4`,
    [userId, sessionId, before, limit],
  );
}

/** Forgets a person's devices: one, or all. Answers how many; the caller records it. */
export async function deleteDevices(tx: OrgTx | SystemTx, userId: string, id?: string): Promise<number> {
  return tx.change('DELETE FROM devices WHERE user_id = $1 AND ($2::uuid IS NULL OR id = $2)', [userId, id]);
}
