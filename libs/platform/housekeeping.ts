import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Audit, type AuditAction, type AuditEntry, bySystem } from '#audit';
import { PepperRotation, SigningKeyRotation } from '#auth';
import { Database, type SystemTx } from '#database';

const EVERY_MS = 60_000;
/** Sessions are kept this long after their end, for the answer to "who was signed in then?". */
const SESSIONS_KEPT = '30 days';

/** Removes what has served its time. Any number of processes may run it; one does at a time. */
@Injectable()
export class Housekeeping implements OnModuleDestroy {
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly signingKeys: SigningKeyRotation,
    private readonly peppers: PepperRotation,
  ) {}

  start(onFailure: (error: unknown) => void): void {
    this.#timer = setInterval(() => void this.sweep().catch(onFailure), EVERY_MS);
    this.#timer.unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.#timer);
  }

  /** One round. Does nothing while another process is at it. */
  async sweep(): Promise<void> {
    await this.#forgetAttempts();
    await this.database.acrossOrgs('housekeeping', async (tx) => {
      const turn = await tx.one<{ mine: boolean }>(
        `SELECT pg_try_advisory_xact_lock(hashtextextended('housekeeping', 0)) AS mine`,
      );
      if (!turn?.mine) return;
      // The newest stays, for positions continue after it.
      await tx.query(
        `DELETE FROM invalidations WHERE created_at < now() - interval '1 hour'
            AND pos < (SELECT max(pos) FROM invalidations)`,
      );
      await tx.query(`DELETE FROM replicas WHERE lease_until < now() - interval '1 day'`);
      await tx.query(`DELETE FROM challenges WHERE expires_at < now() - interval '1 day'`);
      await tx.query('DELETE FROM refresh_successors WHERE erase_at < now()');
      await tx.query(`DELETE FROM idempotency_keys WHERE created_at < now() - interval '1 day'`);
      await this.#forgetDevices(tx);
      await this.#purgeSessions(tx);
    });
    await this.signingKeys.keep();
    await this.peppers.keep();
  }

  /** In a statement of its own that waits for no row: sign-ins count in several of these in an order of their own. */
  async #forgetAttempts(): Promise<void> {
    await this.database.alone('housekeeping').prepared(
      'forget_attempts',
      `DELETE FROM attempt_counters WHERE pool IN (
         SELECT pool FROM attempt_counters WHERE window_ends < clock_timestamp() LIMIT 10000 FOR UPDATE SKIP LOCKED)`,
      [],
    );
  }

  /** Devices belong to no organization, so the record is in the platform's log. */
  async #forgetDevices(tx: SystemTx): Promise<void> {
    const gone = await tx.change('DELETE FROM devices WHERE expires_at < now()');
    if (gone === 0) return;
    const platform = await tx.one<{ id: string }>(`SELECT id FROM organizations WHERE kind = 'platform'`);
    if (platform) await this.audit.record(tx, purged(platform.id, 'auth.device_forgotten', gone));
  }

  async #purgeSessions(tx: SystemTx): Promise<void> {
    const old = `expires_at < now() - interval '${SESSIONS_KEPT}'`;
    const orgs = await tx.query<{ org_id: string; count: string }>(
      `SELECT org_id, count(*) FROM sessions WHERE ${old} GROUP BY org_id ORDER BY org_id LIMIT 100`,
    );
    for (const { org_id, count } of orgs) {
      await this.audit.record(tx, purged(org_id, 'session.purged', Number(count)));
      await tx.query(`DELETE FROM sessions WHERE org_id = $1 AND ${old}`, [org_id]);
    }
  }
}

function purged(orgId: string, action: AuditAction, count: number): AuditEntry {
  return {
    ...bySystem('housekeeping'),
    orgId,
    action,
    target: { type: 'organization', id: orgId },
    outcome: 'success',
    changes: { count: { to: count } },
  };
}
