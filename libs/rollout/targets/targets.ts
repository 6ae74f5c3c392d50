import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { Database } from '#database';
import { type Caller, Clock, type Page, pageOf, readPage } from '#kernel';
import { RolloutFault } from '../rollout.faults.ts';
import type { ReportRequest, TargetRequest, TargetView } from './target.contract.ts';
import { findTargets, insertTarget, readTargets, storeReport, type TargetRow } from './target.store.ts';
import { SKEW_MS } from '../lifecycle/clock-skew.ts';

/** What rollouts are done to, and what the inventory last saw of it. */
@Injectable()
export class Targets {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  async list(caller: Caller, query: { limit?: number; cursor?: string }): Promise<Page<TargetView>> {
    const { limit, before } = readPage(query);
    const rows = await this.database.inOrg(caller, (tx) => readTargets(tx, limit + 1, before));
    return pageOf(rows, limit, targetView);
  }

  async create(caller: Caller, request: TargetRequest): Promise<TargetView> {
    return this.database.inOrg(caller, async (tx) => {
      const row = await insertTarget(tx, { ...request, surfaceId: request.surfaceId });
      if (!row) throw RolloutFault.target_exists({ errors: [{ path: 'name', message: 'is taken' }] });
      await this.audit.append(tx, caller, {
        action: 'rollout_target.created',
        target: { type: 'rollout_target', id: row.id },
        changes: {
          name: { to: row.name },
          kind: { to: row.kind },
          environment: { to: row.environment },
          ...(row.surface_id !== null && { surface: { to: row.surface_id } }),
        },
      });
      return targetView(row);
    });
  }

  /** Faults: `rollout.target_not_found`, `rollout.bad_report`. */
  async report(caller: Caller, id: string, request: ReportRequest): Promise<TargetView> {
    const observedAt = new Date(request.observedAt);
    if (observedAt.getTime() > this.clock.now().getTime() + SKEW_MS) {
      throw RolloutFault.bad_report({ errors: [{ path: 'observedAt', message: 'lies ahead' }] });
    }
    return this.database.inOrg(caller, async (tx) => {
      const report = { ...request, observedAt, by: caller.id };
      const stored = await storeReport(tx, id, report);
      const [row] = await findTargets(tx, tx.orgId, [id]);
      if (!row) throw RolloutFault.target_not_found();
      if (!stored) {
        const message = 'is before what was reported already';
        throw RolloutFault.bad_report({ errors: [{ path: 'observedAt', message }] });
      }
      await this.audit.append(tx, caller, {
        action: 'rollout_target.reported',
        target: { type: 'rollout_target', id },
        changes: {
          state: { to: request.state },
          observedAt: { to: observedAt.toISOString() },
          ttlSeconds: { to: request.ttlSeconds },
        },
      });
      return targetView(row);
    });
  }
}

/** What is known of a target now; undefined where that is nothing: never seen, too long ago, or in the future. */
export function liveState(row: TargetRow, now: Date): string | undefined {
  if (row.state === null || row.observed_at === null || row.ttl_seconds === null) return undefined;
  const age = now.getTime() - row.observed_at.getTime();
  return age >= -SKEW_MS && age < row.ttl_seconds * 1000 ? row.state : undefined;
}

function targetView(row: TargetRow): TargetView {
  return {
    id: row.id,
    name: row.name,
    kind: row.kind,
    environment: row.environment,
    surfaceId: row.surface_id,
    state: row.state,
    observedAt: row.observed_at?.toISOString() ?? null,
    ttlSeconds: row.ttl_seconds,
    version: row.version,
    lockedBy: row.locked_by,
    createdAt: row.created_at.toISOString(),
  };
}
