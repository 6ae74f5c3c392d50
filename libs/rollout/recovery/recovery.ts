import { Injectable } from '@nestjs/common';
import { Applying } from '../apply/applying.ts';
import { Readiness } from '../apply/readiness.ts';
import { releaseAll } from '../apply/release.ts';
import { answerStep, readSteps, SAID_NOT_DONE, type StepRow } from '../apply/step.store.ts';
import { holdingsOf, touchedOf } from '../apply/waves.ts';
import { Database, type OrgTx } from '#database';
import { type Caller, Clock, Fault, newId } from '#kernel';
import { Gates } from '../gates/gates.ts';
import { Moves, nextState, planned, found } from '../lifecycle/moves.ts';
import { confirmationFor, hasIrreversible } from '../lifecycle/plan.ts';
import type { RolloutDetailView } from '../lifecycle/rollout.contract.ts';
import {
  lockRollout,
  type PlannedRow,
  readLastMove,
  readRollout,
  storeRecoveryTargets,
} from '../lifecycle/rollout.store.ts';
import { RolloutFault } from '../rollout.faults.ts';
import { personIn } from '../lifecycle/human.ts';
import { type Stand, Standing } from '../signoff/standing.ts';
import { findTargets } from '../targets/target.store.ts';
import { advise } from './recommend.ts';
import type { RecoveryView, RepairRequest, RollbackRequest } from './recovery.contract.ts';
import { rollbackQuorum } from './rollback-quorum.ts';
import { detailView } from '../lifecycle/rollout-view.ts';

/** How a rollout that stopped goes on: repaired and run again, or rolled back. */
@Injectable()
export class Recovery {
  constructor(
    private readonly database: Database,
    private readonly moves: Moves,
    private readonly readiness: Readiness,
    private readonly applying: Applying,
    private readonly standing: Standing,
    private readonly gates: Gates,
    private readonly clock: Clock,
  ) {}

  /** What the journal says is best, and which target holds which version. */
  async look(caller: Caller, id: string): Promise<RecoveryView> {
    return this.database.inOrg(caller, async (tx) => {
      const row = planned(await found(readRollout(tx, tx.orgId, id)));
      const journal = await readSteps(tx, tx.orgId, id);
      const { recommendation, reason, holdings, narrowest, stuck } = advise(row.plan, journal, row.state);
      const targets = await findTargets(
        tx,
        tx.orgId,
        row.plan.targets.map((one) => one.id),
      );
      return {
        recommendation,
        reason,
        question: stuck?.question ?? null,
        unit: stuck?.unit ?? null,
        rollbackTargets: [...narrowest],
        targets: targets.map(({ id: targetId, name, version }) => ({
          targetId,
          name,
          holds: holdings.done.includes(targetId)
            ? 'new'
            : holdings.partial.includes(targetId)
              ? 'between'
              : 'before',
          version,
        })),
      };
    });
  }

  /**
   * Says what became of the step that keeps the rollout, and goes on: in the direction it went. Faults:
   * `rollout.nothing_to_answer`, `rollout.gates_closed`, `rollout.diverged`, `rollout.break_glass_ended`.
   */
  async repair(caller: Caller, id: string, request: RepairRequest): Promise<RolloutDetailView> {
    personIn(caller);
    const outcome = await this.database.inOrg(caller, async (tx) => {
      const row = planned(await found(lockRollout(tx, tx.orgId, id)));
      if (row.state !== 'failed_needs_operator')
        throw RolloutFault.wrong_state({ data: { state: row.state, move: 'repair' } });
      await this.readiness.requireIdle(tx, row);
      const journal = await readSteps(tx, tx.orgId, id);
      const { stuck } = advise(row.plan, journal, row.state);
      if (!stuck && row.reason === 'verification_failed') throw RolloutFault.nothing_to_answer();
      // The way back needs no gates: it is what they are for.
      if (journal.some(({ phase }) => phase === 'recovery')) {
        if (stuck) await this.#answer(tx, caller, row, stuck, request);
        const back = await this.moves.make(tx, caller, row, 'roll_back', ['recovery_known'], {
          reason: 'repaired',
        });
        await this.applying.goOn(tx, row);
        return back;
      }
      const diverged = await this.readiness.divergence(tx, caller, row);
      if (diverged) return diverged;
      const by = await this.readiness.again(tx, caller, row);
      if (by instanceof Fault) return by;
      if (stuck) await this.#answer(tx, caller, row, stuck, request);
      const again =
        by === 'gates'
          ? await this.moves.make(tx, caller, row, 'repair', [
              'operator_answered',
              'quorum_met',
              'gates_pass',
            ])
          : await this.moves.make(tx, caller, row, 'repair_break_glass', [
              'operator_answered',
              'break_glass',
            ]);
      await this.applying.goOn(tx, row);
      return again;
    });
    if (outcome instanceof Fault) throw outcome;
    return detailView(outcome);
  }

  /**
   * Takes back what was done to the targets that were touched, or to some of them. Who has to sign it says
   * `rollbackQuorum`. Faults: `rollout.recovery_missing`, `rollout.rollback_unsigned`, `rollout.rollback_targets`,
   * `rollout.duty_conflict`, `rollout.gates_closed`, `rollout.confirmation_needed`, `rollout.target_locked`.
   */
  async rollBack(caller: Caller, id: string, request: RollbackRequest): Promise<RolloutDetailView> {
    const { userId } = personIn(caller);
    const row = await this.database.inOrg(caller, async (tx) => {
      const one = planned(await found(lockRollout(tx, tx.orgId, id)));
      nextState(one, 'roll_back', ['recovery_known']);
      if (one.plan.recovery.kind === 'irreversible') throw RolloutFault.recovery_missing();
      await this.readiness.requireIdle(tx, one);
      const stand = await this.standing.of(tx, one, [userId]);
      const duties = stand.conflicts(userId, 'executor');
      if (duties.length > 0) throw RolloutFault.duty_conflict({ data: { duties } });
      await this.#requireSigned(tx, one, stand);
      await this.#requireReversible(tx, caller, one, stand, request);
      await this.#narrow(tx, one, request.targets);
      await this.readiness.lock(tx, caller, one, request.targets);
      const { reason } = request;
      const back = await this.moves.make(tx, caller, one, 'roll_back', ['recovery_known'], { reason });
      await this.applying.goOn(tx, one);
      return back;
    });
    return detailView(row);
  }

  /** Lets a rollout end that is neither repaired nor rolled back; what its targets hold is on record. */
  async close(caller: Caller, id: string, reason: string): Promise<RolloutDetailView> {
    personIn(caller);
    return this.database.inOrg(caller, async (tx) => {
      const row = await found(lockRollout(tx, tx.orgId, id));
      if (row.state === 'failed_needs_operator') await this.readiness.requireIdle(tx, planned(row));
      const closed = await this.moves.make(tx, caller, row, 'close', ['operator_answered'], { reason });
      await releaseAll(tx, this.moves, caller, row);
      return detailView(closed);
    });
  }

  async #answer(
    tx: OrgTx,
    caller: Caller,
    row: PlannedRow,
    step: StepRow,
    { answer, reason }: RepairRequest,
  ): Promise<void> {
    const isDone = answer === 'done';
    // What a check found stands until it is found otherwise.
    if (isDone && step.target_id === null) throw RolloutFault.rerun_not_safe();
    await answerStep(
      tx,
      { rolloutId: row.id, phase: step.phase, unit: step.unit },
      {
        state: isDone ? 'succeeded' : 'failed',
        code: isDone ? 'operator_said_done' : SAID_NOT_DONE,
        token: newId(),
        at: this.clock.now(),
      },
    );
    await this.moves.note(tx, caller, {
      action: 'rollout.step_answered',
      target: { type: 'rollout', id: row.id },
      reason,
      changes: {
        phase: { to: step.phase },
        unit: { to: step.unit },
        name: { to: step.name },
        answer: { to: answer },
      },
    });
  }

  async #requireSigned(tx: OrgTx, row: PlannedRow, stand: Stand): Promise<void> {
    const quorum = rollbackQuorum(row, (await readLastMove(tx, row))?.at, this.clock.now());
    const missing = quorum ? stand.missing(quorum, 'rollback', row.recovery_digest) : [];
    if (missing.length > 0) throw RolloutFault.rollback_unsigned({ data: { missing } });
  }

  /** A way back that is irreversible itself asks for what irreversible steps do: a backup of now, and words typed now. */
  async #requireReversible(
    tx: OrgTx,
    caller: Caller,
    row: PlannedRow,
    stand: Stand,
    { confirmation }: RollbackRequest,
  ): Promise<void> {
    if (!hasIrreversible(row.plan.recovery.steps)) return;
    const { verdict, reason } = await this.gates.backup(tx, row, stand);
    if (verdict !== 'pass')
      throw RolloutFault.gates_closed({ data: { gates: [{ name: 'backup', verdict, reason }] } });
    const asked = confirmationFor(row.title, row.recovery_digest);
    if (confirmation !== asked) throw RolloutFault.confirmation_needed({ data: { confirmation: asked } });
    await this.moves.note(tx, caller, {
      action: 'rollout.confirmed',
      target: { type: 'rollout', id: row.id },
      changes: { digest: { to: row.recovery_digest } },
    });
  }

  /** Where a rollback stops, no target is between two versions. */
  async #narrow(tx: OrgTx, row: PlannedRow, targets: readonly string[] | undefined): Promise<void> {
    if (targets !== undefined) {
      const journal = await readSteps(tx, row.org_id, row.id);
      const touched = touchedOf(row.plan, journal);
      const between = holdingsOf(row.plan, journal).partial;
      const wrong = [
        ...targets.filter((id) => !touched.includes(id)),
        ...between.filter((id) => !targets.includes(id)),
      ];
      if (wrong.length > 0) throw RolloutFault.rollback_targets({ data: { targets: wrong } });
    }
    await storeRecoveryTargets(tx, row.id, targets ?? null);
  }
}
