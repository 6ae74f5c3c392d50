import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { Database } from '#database';
import { type Caller } from '#kernel';
import { deleteOrder, readOrder, writeOrder } from './state.store.ts';
import type { SetSystemStateRequest, SystemStateView } from './state.contract.ts';
import { SystemState } from './system-state.ts';

/** An operator makes the deployment read-only and ends that. When it answers, every replica goes by it. */
@Injectable()
export class SystemControl {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly state: SystemState,
  ) {}

  async read(caller: Caller): Promise<SystemStateView> {
    const order = await this.database.acrossOrgsFor('control_system', caller, readOrder);
    const reasons = (await this.state.readOnlyReasons()).map((one) => ({ ...one }));
    return {
      state: reasons.length > 0 ? 'read-only' : 'operational',
      reasons,
      ...(order && { since: order.since.toISOString(), orderedBy: order.ordered_by }),
    };
  }

  /** What a process found by itself stays: an operator mends the cause, not the finding. */
  async set(caller: Caller, { state, reason }: SetSystemStateRequest): Promise<SystemStateView> {
    await this.database.acrossOrgsFor('control_system', caller, async (tx) => {
      const readOnly = state === 'read-only';
      const before = readOnly
        ? await writeOrder(tx, { reason, orderedBy: caller.userId ?? caller.id })
        : await deleteOrder(tx);
      if (!readOnly && !before) return;
      await this.audit.append(tx, caller, {
        action: readOnly ? 'system.made_read_only' : 'system.made_operational',
        target: { type: 'deployment', id: caller.org.id },
        changes: { reason: { ...(before && { from: before.reason }), to: reason } },
      });
    });
    return this.read(caller);
  }
}
