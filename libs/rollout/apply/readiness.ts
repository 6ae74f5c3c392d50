import { Injectable } from '@nestjs/common';
import { Clock, type Fault } from '#kernel';
import type { OrgTx } from '#database';
import type { Caller } from '#kernel';
import { notPassedOver, openGlass } from '../breakglass/break-glass.store.ts';
import { allPass, blocking, type GateResult } from '../gates/gate.ts';
import { Gates } from '../gates/gates.ts';
import { Moves } from '../lifecycle/moves.ts';
import { type Difference, Planning } from '../planning/planning.ts';
import type { PlannedRow } from '../lifecycle/rollout.store.ts';
import { RolloutFault } from '../rollout.faults.ts';
import { Standing } from '../signoff/standing.ts';
import { lockRows, lockTargets } from '../targets/target.store.ts';
import { STEP_SECONDS } from './advance-queue.ts';
import { readSteps } from './step.store.ts';
import { touchedOf } from './waves.ts';

/**
 * Whether a rollout may go on at this moment. What keeps it back is on record and the rollout suspended, in the
 * caller's transaction, which commits; so these answer a fault instead of throwing it.
 */
@Injectable()
export class Readiness {
  constructor(
    private readonly moves: Moves,
    private readonly planning: Planning,
    private readonly gates: Gates,
    private readonly standing: Standing,
    private readonly clock: Clock,
  ) {}

  /** Before it begins: in time, unchanged, every gate open. */
  async refusal(tx: OrgTx, caller: Caller, row: PlannedRow): Promise<Fault | undefined> {
    if (row.expires_at !== null && row.expires_at <= this.clock.now()) {
      await this.moves.make(tx, caller, row, 'expire', [], { reason: 'nobody_in_time' });
      return RolloutFault.expired();
    }
    const diverged = await this.divergence(tx, caller, row);
    if (diverged) {
      await this.moves.make(tx, caller, row, 'suspend', [], { reason: 'diverged' });
      return diverged;
    }
    const closed = await this.closedGates(tx, caller, row);
    if (!closed) return undefined;
    // What was signed off holds no longer: a person lost the role, or ended; others may sign the same plan again.
    if (closed.some(({ kind }) => kind === 'sign_off'))
      await this.moves.make(tx, caller, row, 'suspend', [], { reason: 'quorum_lost' });
    return gatesFault(closed);
  }

  /** Going on with what was begun: by an open break-glass, or by every gate. Answers by which. */
  async again(tx: OrgTx, caller: Caller, row: PlannedRow): Promise<Fault | 'gates' | 'break_glass'> {
    const glass = await openGlass(tx, row.org_id, row.id);
    if (glass && glass.ends_at > this.clock.now()) return 'break_glass';
    const closed = await this.closedGates(tx, caller, row);
    if (!closed) return 'gates';
    return glass ? RolloutFault.break_glass_ended() : gatesFault(closed);
  }

  /** What keeps it from going on with the targets that nothing was done to yet. */
  async divergence(tx: OrgTx, caller: Caller, row: PlannedRow): Promise<Fault | undefined> {
    const glass = await openGlass(tx, row.org_id, row.id);
    const isOpen = glass !== undefined && glass.ends_at > this.clock.now();
    const found = await this.differences(tx, row);
    return this.diverged(tx, caller, row, notPassedOver(found, isOpen ? glass : undefined));
  }

  /** Read again under the lock of their rows, so that nothing of them changes before the transaction ends. */
  async differences(tx: OrgTx, row: PlannedRow): Promise<Difference[]> {
    const journal = await readSteps(tx, row.org_id, row.id);
    const touched = touchedOf(row.plan, journal);
    const ids = row.plan.targets.map(({ id }) => id).filter((id) => !touched.includes(id));
    await lockRows(tx, row.org_id, ids);
    return this.planning.differences(tx, row, ids);
  }

  /** The differences on record, and the fault that names them; undefined where there are none. */
  async diverged(
    tx: OrgTx,
    caller: Caller,
    row: PlannedRow,
    differences: readonly string[],
  ): Promise<Fault | undefined> {
    if (differences.length === 0) return undefined;
    const standing = differences.includes('source') ? await this.planning.source(tx, row) : undefined;
    const source = standing && {
      reason: standing.reason,
      standsAt: standing.standsAt ?? null,
      readAt: standing.readAt?.toISOString() ?? null,
    };
    await this.moves.note(tx, caller, {
      action: 'rollout.diverged',
      target: { type: 'rollout', id: row.id },
      outcome: 'denied',
      changes: {
        digest: { to: row.digest },
        differences: { to: [...differences] },
        ...(source && { source: { to: source } }),
      },
    });
    return RolloutFault.diverged({ data: { differences, ...(source && { source }) } });
  }

  async closedGates(tx: OrgTx, caller: Caller, row: PlannedRow): Promise<GateResult[] | undefined> {
    const stand = await this.standing.of(tx, row);
    const results = await this.gates.evaluate(tx, row, stand);
    if (allPass(results)) return undefined;
    const closed = blocking(results);
    await this.moves.note(tx, caller, {
      action: 'rollout.gates_closed',
      target: { type: 'rollout', id: row.id },
      outcome: 'denied',
      changes: {
        digest: { to: row.digest },
        gates: { to: closed.map(({ name, verdict, reason }) => `${name}: ${verdict}, ${reason}`) },
      },
    });
    return closed;
  }

  /**
   * Takes hold of the targets: of all of them, or a fault that names those that another rollout holds. `takesBack`: how
   * far a rollback goes, where that is not everything that was touched.
   */
  async lock(tx: OrgTx, caller: Caller, row: PlannedRow, takesBack?: readonly string[]): Promise<void> {
    const ids = row.plan.targets.map(({ id }) => id);
    const held = await lockTargets(tx, row.org_id, ids, row.id);
    const targets = ids.filter((id) => !held.includes(id));
    if (targets.length > 0) throw RolloutFault.target_locked({ data: { targets } });
    await this.moves.note(tx, caller, {
      action: 'rollout.targets_locked',
      target: { type: 'rollout', id: row.id },
      changes: { targets: { to: ids }, ...(takesBack && { takesBack: { to: [...takesBack] } }) },
    });
  }

  /** A step that may still be under way is waited for. */
  async requireIdle(tx: OrgTx, row: PlannedRow): Promise<void> {
    const now = this.clock.now().getTime();
    const running = (await readSteps(tx, row.org_id, row.id)).some(
      ({ state, intended_at: at }) => state === 'intended' && now < at.getTime() + (STEP_SECONDS + 30) * 1000,
    );
    if (running) throw RolloutFault.not_ready({ data: { missing: ['end_of_the_running_step'] } });
  }
}

export function gatesFault(closed: readonly GateResult[]): Fault {
  return RolloutFault.gates_closed({
    data: { gates: closed.map(({ name, verdict, reason }) => ({ name, verdict, reason })) },
  });
}
