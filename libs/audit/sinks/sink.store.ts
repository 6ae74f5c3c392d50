import type { OrgTx, SystemTx } from '#database';
import type { ExportFormat } from '../formats/format.ts';
import type { SettingsOf, SinkKind } from './sink.settings.ts';
import type { SinkFilter } from './sink-events.ts';

export interface SinkRow {
  readonly id: string;
  readonly org_id: string;
  readonly name: string;
  readonly kind: SinkKind;
  readonly settings: SettingsOf[SinkKind];
  readonly format: ExportFormat;
  readonly filter: SinkFilter;
  readonly enabled: boolean;
  readonly all_organizations: boolean;
  readonly version: number;
  readonly created_by: string;
  readonly created_at: Date;
}

/** How far one log has got, and how it goes. */
export interface LaneStateRow {
  readonly log_org_id: string;
  readonly delivered_pos: string;
  readonly accepted_pos: string;
  /** Of the log: of the sink's own organization as it is now, of others as it was last looked at. */
  readonly head_pos: string;
  readonly delivered_at: Date | null;
  readonly replay_to: string | null;
  readonly failures: number;
  readonly breaker: string;
  readonly retry_at: Date | null;
  readonly last_error: string | null;
  readonly last_error_at: Date | null;
  /** Positions put aside. */
  readonly dead: string;
}

export interface DeadRow {
  readonly log_org_id: string;
  readonly from_pos: string;
  readonly to_pos: string;
  readonly code: string;
  readonly attempts: number;
  readonly at: Date;
}

const COLUMNS = `id, org_id, name, kind, settings, format, filter, enabled, all_organizations, version, created_by,
                 created_at`;

export async function readSinks(tx: OrgTx): Promise<SinkRow[]> {
  return tx.query<SinkRow>(`SELECT ${COLUMNS} FROM audit_sinks WHERE org_id = $1 ORDER BY id`, [tx.orgId]);
}

export async function readSink(tx: OrgTx, id: string): Promise<SinkRow | undefined> {
  return tx.one<SinkRow>(`SELECT ${COLUMNS} FROM audit_sinks WHERE org_id = $1 AND id = $2`, [tx.orgId, id]);
}

/** Locked, so that changes come one after the other. */
export async function lockSink(tx: OrgTx, id: string): Promise<SinkRow | undefined> {
  return tx.one<SinkRow>(`SELECT ${COLUMNS} FROM audit_sinks WHERE org_id = $1 AND id = $2 FOR UPDATE`, [
    tx.orgId,
    id,
  ]);
}

export type NewSink = Pick<
  SinkRow,
  'id' | 'name' | 'kind' | 'settings' | 'format' | 'filter' | 'enabled' | 'all_organizations' | 'created_by'
>;

/** Undefined where the name is taken. With the lane of the organization's own log, which begins after `after`. */
export async function insertSink(tx: OrgTx, sink: NewSink, after: number): Promise<SinkRow | undefined> {
  const row = await tx.one<SinkRow>(
    `INSERT INTO audit_sinks (org_id, id, name, kind, settings, format, filter, enabled, all_organizations, created_by)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (org_id, name) DO NOTHING RETURNING ${COLUMNS}`,
    [
      tx.orgId,
      sink.id,
      sink.name,
      sink.kind,
      sink.settings,
      sink.format,
      sink.filter,
      sink.enabled,
      sink.all_organizations,
      sink.created_by,
    ],
  );
  if (row) {
    await tx.query(
      `INSERT INTO audit_sink_state (org_id, sink_id, log_org_id, delivered_pos, accepted_pos, settled_pos)
       VALUES ($1, $2, $1, $3, $3, $3)`,
      [tx.orgId, sink.id, after],
    );
  }
  return row;
}

/** Undefined where the name is taken. What is new is tried at once, whatever failed before. */
export async function updateSink(
  tx: OrgTx,
  { id, name, settings, format, filter, enabled }: SinkRow,
): Promise<SinkRow | undefined> {
  const taken = await tx.one('SELECT 1 FROM audit_sinks WHERE org_id = $1 AND name = $2 AND id <> $3', [
    tx.orgId,
    name,
    id,
  ]);
  if (taken) return undefined;
  await tx.change(
    `UPDATE audit_sink_state SET retry_at = NULL, failures = 0, breaker = 'closed'
      WHERE org_id = $1 AND sink_id = $2`,
    [tx.orgId, id],
  );
  return tx.one<SinkRow>(
    `UPDATE audit_sinks SET name = $3, settings = $4, format = $5, filter = $6, enabled = $7, version = version + 1
      WHERE org_id = $1 AND id = $2 RETURNING ${COLUMNS}`,
    [tx.orgId, id, name, settings, format, filter, enabled],
  );
}

export async function deleteSink(tx: OrgTx, id: string): Promise<void> {
  await tx.change('DELETE FROM audit_sinks WHERE org_id = $1 AND id = $2', [tx.orgId, id]);
}

const LANE_COLUMNS = `s.sink_id, s.log_org_id, s.delivered_pos, s.accepted_pos, s.delivered_at, s.replay_to,
            s.failures, s.breaker, s.retry_at, s.last_error, s.last_error_at,
            CASE WHEN s.log_org_id <> s.org_id THEN s.head_pos
                 ELSE coalesce((SELECT p.pos FROM audit_positions p WHERE p.org_id = s.org_id
                                 ORDER BY p.pos DESC LIMIT 1), 0) END AS head_pos,
            coalesce((SELECT sum(d.to_pos - d.from_pos + 1) FROM audit_sink_dead d
                       WHERE d.sink_id = s.sink_id AND d.log_org_id = s.log_org_id), 0) AS dead`;

type SinkLaneRow = LaneStateRow & { readonly sink_id: string };

/** Lanes of these sinks, by sink. */
export async function readLanes(tx: OrgTx, sinkIds: readonly string[]): Promise<SinkLaneRow[]> {
  return tx.query(
    `SELECT ${LANE_COLUMNS} FROM audit_sink_state s
      WHERE s.org_id = $1 AND s.sink_id = ANY ($2) ORDER BY s.log_org_id`,
    [tx.orgId, sinkIds],
  );
}

/** Of every organization, by id. */
export async function readEnabledSinks(
  tx: SystemTx,
  limit: number,
): Promise<Pick<SinkRow, 'id' | 'org_id' | 'kind' | 'settings'>[]> {
  return tx.query(`SELECT id, org_id, kind, settings FROM audit_sinks WHERE enabled ORDER BY id LIMIT $1`, [
    limit,
  ]);
}

/** Lanes of sinks of any organization. */
export async function readLanesOf(
  tx: SystemTx,
  sinkIds: readonly string[],
  limit: number,
): Promise<SinkLaneRow[]> {
  return tx.query(
    `SELECT ${LANE_COLUMNS} FROM audit_sink_state s
      WHERE s.sink_id = ANY ($1) ORDER BY s.sink_id, s.log_org_id LIMIT $2`,
    [sinkIds, limit],
  );
}

/** The first of them. */
export async function readDead(tx: OrgTx, sinkId: string, limit: number): Promise<DeadRow[]> {
  return tx.query<DeadRow>(
    `SELECT log_org_id, from_pos, to_pos, code, attempts, at FROM audit_sink_dead
      WHERE org_id = $1 AND sink_id = $2 ORDER BY log_org_id, from_pos LIMIT $3`,
    [tx.orgId, sinkId, limit],
  );
}

/**
 * Has a range of every log of the sink delivered again, as far as it has been, and takes it out of the dead letters:
 * what is refused again comes back there. Answers whether there was anything to deliver.
 */
export async function askReplay(
  tx: OrgTx,
  sinkId: string,
  { from, to }: { from: number; to: number },
): Promise<boolean> {
  const range = [tx.orgId, sinkId, from, to];
  const asked = await tx.change(
    `UPDATE audit_sink_state SET replay_after = $3::bigint - 1, replay_to = least($4, delivered_pos),
            retry_at = NULL WHERE org_id = $1 AND sink_id = $2 AND delivered_pos >= $3`,
    range,
  );
  const taken = await tx.query<DeadRow>(
    `DELETE FROM audit_sink_dead WHERE org_id = $1 AND sink_id = $2 AND from_pos <= $4 AND to_pos >= $3
     RETURNING log_org_id, from_pos, to_pos, code, attempts`,
    range,
  );
  for (const { log_org_id, from_pos, to_pos, code, attempts } of taken) {
    // What stands before and after the range stays where it was.
    await tx.query(
      `INSERT INTO audit_sink_dead (org_id, sink_id, log_org_id, from_pos, to_pos, code, attempts)
       SELECT $1, $2, $3, low, high, $6, $7
         FROM (VALUES ($4::bigint, $8::bigint - 1), ($9::bigint + 1, $5::bigint)) rest (low, high)
        WHERE low <= high`,
      [tx.orgId, sinkId, log_org_id, from_pos, to_pos, code, attempts, from, to],
    );
  }
  return asked > 0;
}
