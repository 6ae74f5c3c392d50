import type { Asked, OrgTx, SystemTx } from '#database';
import type { Subject } from './gitea-events.ts';

/** What Gitea's answer led to. */
export interface Prompted {
  readonly kind: 'open' | 'advance' | 'void' | 'evidence';
  readonly ref?: string;
  readonly commit: string;
  readonly what: string;
  readonly rollouts: string[];
}

export interface DeliveryRow {
  readonly id: string;
  readonly org_id: string;
  readonly hook_id: string;
  readonly source: 'webhook' | 'reconcile';
  readonly delivery: string | null;
  readonly event: string;
  readonly repository: string | null;
  readonly body_sha256: string | null;
  readonly subjects: Subject[];
  readonly verdict: 'accepted' | 'ignored' | 'refused';
  readonly code: string | null;
  readonly state: 'queued' | 'done' | 'failed';
  readonly prompted: Prompted[];
  readonly refusals: number;
  readonly received_at: Date;
  readonly done_at: Date | null;
}

const COLUMNS = `id, org_id, hook_id, source, delivery, event, repository, body_sha256, subjects, verdict, code, state,
                 prompted, refusals, received_at, done_at`;

/** Newest first. */
export async function readDeliveries(
  tx: OrgTx,
  hookId: string,
  limit: number,
  before: string | undefined,
): Promise<DeliveryRow[]> {
  return tx.query<DeliveryRow>(
    `SELECT ${COLUMNS} FROM gitea_deliveries
      WHERE org_id = $1 AND hook_id = $2 AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4`,
    [tx.orgId, hookId, before, limit],
  );
}

export interface NewDelivery {
  readonly orgId: string;
  readonly hookId: string;
  readonly id: string;
  readonly delivery: string;
  readonly event: string;
  readonly repository: string;
  readonly bodySha256: string;
  readonly subjects: readonly Subject[];
  readonly verdict: 'accepted' | 'ignored';
}

/** False where the hook has taken this delivery, or this body, before. */
export async function insertDelivery(tx: SystemTx, one: NewDelivery): Promise<boolean> {
  const state = one.verdict === 'accepted' ? 'queued' : 'done';
  const inserted = await tx.change(
    `INSERT INTO gitea_deliveries (org_id, hook_id, id, source, delivery, event, repository, body_sha256, subjects,
                                   verdict, state)
     VALUES ($1, $2, $3, 'webhook', $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`,
    [
      one.orgId,
      one.hookId,
      one.id,
      one.delivery,
      one.event,
      one.repository,
      one.bodySha256,
      JSON.stringify(one.subjects),
      one.verdict,
      state,
    ],
  );
  return inserted > 0;
}

/** The delivery that was taken before, of the same id or body. */
export async function findTaken(
  tx: SystemTx,
  { hookId, delivery, bodySha256 }: Pick<NewDelivery, 'hookId' | 'delivery' | 'bodySha256'>,
): Promise<{ id: string; same: 'delivery' | 'body' } | undefined> {
  return tx.one(
    `SELECT id, CASE WHEN delivery = $2 THEN 'delivery' ELSE 'body' END AS same FROM gitea_deliveries
      WHERE hook_id = $1 AND verdict <> 'refused' AND (delivery = $2 OR body_sha256 = $3) LIMIT 1`,
    [hookId, delivery, bodySha256],
  );
}

/** One line for each body and reason, however often it comes: who holds no secret adds none. */
export async function countRefusal(
  asked: Asked,
  one: Pick<NewDelivery, 'orgId' | 'hookId' | 'id' | 'delivery' | 'event' | 'bodySha256'> & { code: string },
): Promise<void> {
  await asked.prepared(
    'refuse_gitea_delivery',
    `INSERT INTO gitea_deliveries (org_id, hook_id, id, source, delivery, event, body_sha256, verdict, code, state,
                                   refusals)
     VALUES ($1, $2, $3, 'webhook', $4, $5, $6, 'refused', $7, 'done', 1)
     ON CONFLICT (hook_id, body_sha256, code) WHERE verdict = 'refused'
     DO UPDATE SET refusals = gitea_deliveries.refusals + 1`,
    [one.orgId, one.hookId, one.id, one.delivery, one.event, one.bodySha256, one.code],
  );
}

/** The line of a reading of everything, if it is not there already. */
export async function insertReconcile(
  tx: OrgTx | SystemTx,
  one: { orgId: string; hookId: string; id: string; state: 'queued' | 'done' },
): Promise<void> {
  await tx.query(
    `INSERT INTO gitea_deliveries (org_id, hook_id, id, source, event, verdict, state)
     VALUES ($1, $2, $3, 'reconcile', 'reconcile', 'accepted', $4) ON CONFLICT (id) DO NOTHING`,
    [one.orgId, one.hookId, one.id, one.state],
  );
}

export async function readDelivery(
  tx: SystemTx,
  orgId: string,
  id: string,
): Promise<DeliveryRow | undefined> {
  return tx.one<DeliveryRow>(`SELECT ${COLUMNS} FROM gitea_deliveries WHERE org_id = $1 AND id = $2`, [
    orgId,
    id,
  ]);
}

/** What came of it is added to what had. */
export async function addPrompted(
  tx: SystemTx,
  orgId: string,
  id: string,
  prompted: readonly Prompted[],
): Promise<void> {
  await tx.change(
    'UPDATE gitea_deliveries SET prompted = prompted || $3::jsonb WHERE org_id = $1 AND id = $2',
    [orgId, id, JSON.stringify(prompted)],
  );
}

export async function endDelivery(
  tx: SystemTx,
  orgId: string,
  id: string,
  { state, code }: { state: DeliveryRow['state']; code: string | null },
): Promise<void> {
  await tx.change(
    `UPDATE gitea_deliveries SET state = $3, code = $4, done_at = CASE WHEN $3 = 'queued' THEN NULL ELSE now() END
      WHERE org_id = $1 AND id = $2`,
    [orgId, id, state, code],
  );
}

/** Whether the newest reading of everything failed for this reason: it is told once, not at every sweep. */
export async function hasJustFailed(
  tx: SystemTx,
  orgId: string,
  hookId: string,
  code: string,
): Promise<boolean> {
  const newest = await tx.one<{ state: string; code: string | null }>(
    `SELECT state, code FROM gitea_deliveries WHERE org_id = $1 AND hook_id = $2 AND source = 'reconcile'
      ORDER BY id DESC LIMIT 1`,
    [orgId, hookId],
  );
  return newest?.state === 'failed' && newest.code === code;
}
