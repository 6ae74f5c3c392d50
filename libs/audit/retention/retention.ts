import { Injectable } from '@nestjs/common';
import { Database } from '#database';
import type { Caller } from '#kernel';
import { AuditFault } from '../audit.faults.ts';
import { Audit } from '../audit.ts';
import type { HoldView, RetentionView } from './retention.contract.ts';
import {
  type HoldRow,
  liftHold,
  placeHold,
  readHold,
  readPrunedUpTo,
  readRetention,
  writeRetention,
} from './retention.store.ts';

/** How long an organization keeps the events of its log, and the legal hold that stops all forgetting. */
@Injectable()
export class Retention {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
  ) {}

  async read(caller: Caller): Promise<RetentionView> {
    return this.database.inOrg(caller, async (tx) => ({
      retentionDays: (await readRetention(tx, caller.org.id)) ?? null,
      prunedUpTo: await readPrunedUpTo(tx, caller.org.id),
    }));
  }

  async change(caller: Caller, retentionDays: number | null): Promise<RetentionView> {
    return this.database.inOrg(caller, async (tx) => {
      const before = (await readRetention(tx, caller.org.id)) ?? null;
      const prunedUpTo = await readPrunedUpTo(tx, caller.org.id);
      if (before === retentionDays) return { retentionDays, prunedUpTo };
      await this.audit.append(tx, caller, {
        action: 'audit.retention_changed',
        target: { type: 'audit_log', id: caller.org.id },
        changes: { retentionDays: { from: before, to: retentionDays } },
      });
      await writeRetention(tx, retentionDays ?? undefined);
      return { retentionDays, prunedUpTo };
    });
  }

  /** Fault: `audit.hold_not_found`. */
  async hold(caller: Caller): Promise<HoldView> {
    const hold = await this.database.inOrg(caller, (tx) => readHold(tx, caller.org.id));
    if (!hold) throw AuditFault.hold_not_found();
    return viewOf(hold);
  }

  /** From the answer on nothing is erased or pruned, whatever was under way. */
  async placeHold(caller: Caller, reason: string): Promise<HoldView> {
    return this.database.inOrg(caller, async (tx) => {
      const before = await readHold(tx, caller.org.id);
      if (before?.reason === reason) return viewOf(before);
      const hold = await placeHold(tx, reason, caller.userId ?? caller.id);
      await this.audit.append(tx, caller, {
        action: 'audit.hold_placed',
        target: { type: 'audit_log', id: caller.org.id },
        changes: { reason: { ...(before && { from: before.reason }), to: reason } },
      });
      return viewOf(hold);
    });
  }

  /** Fault: `audit.hold_not_found`. */
  async liftHold(caller: Caller): Promise<void> {
    await this.database.inOrg(caller, async (tx) => {
      const hold = await liftHold(tx);
      if (!hold) throw AuditFault.hold_not_found();
      await this.audit.append(tx, caller, {
        action: 'audit.hold_lifted',
        target: { type: 'audit_log', id: caller.org.id },
        changes: { reason: { from: hold.reason } },
      });
    });
  }
}

function viewOf({ reason, placed_by, placed_at }: HoldRow): HoldView {
  return { reason, placedBy: placed_by, placedAt: placed_at.toISOString() };
}
