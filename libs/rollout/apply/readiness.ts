import { Injectable } from '@nestjs/common';
import { Clock, type Fault } from '#kernel';
import type { OrgTx } from '#database';
import type { Caller } from '#kernel';
import { openGlass } from '../breakglass/break-glass.store.ts';
import { allPass, blocking, type GateResult } from '../gates/gate.ts';
import { Gates } from '../gates/gates.ts';
import { Moves } from '../lifecycle/moves.ts';
import { Planning } from '../lifecycle/planning.ts';
import type { PlannedRow } from '../lifecycle/rollout.store.ts';
import { RolloutFault } from '../rollout.faults.ts';
import { Standing } from '../signoff/standing.ts';
import { lockTargets } from '../targets/target.store.ts';
import { STEP_SECONDS } from './advance-queue.ts';
import { readSteps } from './step.store.ts';
import { boundaryOf } from './waves.ts';

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
    if (glass) return glass.ends_at > this.clock.now() ? 'break_glass' : RolloutFault.break_glass_ended();
    const closed = await this.closedGates(tx, caller, row);
    return closed ? gatesFault(closed) : 'gates';
  }

  async divergence(tx: OrgTx, caller: Caller, row: PlannedRow): Promise<Fault | undefined> {
    const { untouched } = boundaryOf(
      row.plan,
      (await readSteps(tx, row.org_id, row.id)).filter(({ phase }) => phase === 'apply'),
    );
    const differences = await this.planning.differences(tx, row, untouched);
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
        differences: { to: differences },
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

  /** Takes hold of the targets: of all of them, or a fault that names those that another rollout holds. */
  async lock(tx: OrgTx, caller: Caller, row: PlannedRow): Promise<void> {
    const ids = row.plan.targets.map(({ id }) => id);
    const held = await lockTargets(tx, row.org_id, ids, row.id);
    const targets = ids.filter((id) => !held.includes(id));
    if (targets.length > 0) throw RolloutFault.target_locked({ data: { targets } });
    await this.moves.note(tx, caller, {
      action: 'rollout.targets_locked',
      target: { type: 'rollout', id: row.id },
      changes: { targets: { to: ids } },
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
