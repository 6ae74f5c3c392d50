import { Injectable } from '@nestjs/common';
import { Database, type OrgTx } from '#database';
import { Jobs } from '#jobs';
import { type Caller, Clock, Fault } from '#kernel';
import { Moves, nextState, planned, found } from '../lifecycle/moves.ts';
import { confirmationFor, isIrreversible } from '../lifecycle/plan.ts';
import type { RolloutDetailView, StepList } from '../lifecycle/rollout.contract.ts';
import {
  lockRollout,
  type PlannedRow,
  readRollout,
  type RolloutRow,
  storeBegun,
  storeConfirmation,
  storeJob,
  storeVerified,
} from '../lifecycle/rollout.store.ts';
import { RolloutFault } from '../rollout.faults.ts';
import { humanOf, personIn } from '../lifecycle/human.ts';
import { Standing } from '../signoff/standing.ts';
import { advanceQueue } from './advance-queue.ts';
import { Readiness } from './readiness.ts';
import { releaseAll } from './release.ts';
import { readSteps } from './step.store.ts';
import { detailView } from '../lifecycle/rollout-view.ts';

/** Arming, executing and verifying what was signed off. */
@Injectable()
export class Applying {
  constructor(
    private readonly database: Database,
    private readonly moves: Moves,
    private readonly readiness: Readiness,
    private readonly standing: Standing,
    private readonly jobs: Jobs,
    private readonly clock: Clock,
  ) {}

  /** Says in words, typed, that steps are irreversible. Fault: `rollout.confirmation_needed`. */
  async confirm(caller: Caller, id: string, typed: string): Promise<RolloutDetailView> {
    const { userId } = personIn(caller);
    return this.#on(caller, id, async (tx, row) => {
      if (!['in_review', 'approved', 'armed'].includes(row.state))
        throw RolloutFault.wrong_state({ data: { state: row.state } });
      await this.#requireDuty(tx, row, userId, 'executor');
      const confirmation = confirmationFor(row.title, row.digest);
      if (!isIrreversible(row.plan) || typed !== confirmation)
        throw RolloutFault.confirmation_needed({ data: { confirmation } });
      await storeConfirmation(tx, id, row.digest);
      await this.moves.note(tx, caller, {
        action: 'rollout.confirmed',
        target: { type: 'rollout', id },
        changes: { digest: { to: row.digest } },
      });
      return { ...row, confirmed_digest: row.digest };
    });
  }

  /** Faults: `rollout.expired`, `rollout.diverged`, `rollout.gates_closed`, `rollout.duty_conflict`. */
  async arm(caller: Caller, id: string): Promise<RolloutDetailView> {
    return this.#on(caller, id, async (tx, row) => {
      nextState(row, 'arm', ['quorum_met', 'gates_pass', 'unchanged']);
      await this.#requireDuty(tx, row, humanOf(caller), 'executor');
      const refusal = await this.readiness.refusal(tx, caller, row);
      if (refusal) return refusal;
      return this.moves.make(tx, caller, row, 'arm', ['quorum_met', 'gates_pass', 'unchanged'], {
        expiresAt: row.expires_at ?? undefined,
      });
    });
  }

  /** Everything that let it be armed is asked again; then it takes hold of its targets and begins. */
  async execute(caller: Caller, id: string): Promise<RolloutDetailView> {
    return this.#on(caller, id, async (tx, row) => {
      nextState(row, 'execute', ['quorum_met', 'gates_pass', 'unchanged', 'targets_locked']);
      const executor = humanOf(caller);
      await this.#requireDuty(tx, row, executor, 'executor');
      const refusal = await this.readiness.refusal(tx, caller, row);
      if (refusal) return refusal;
      await this.readiness.lock(tx, caller, row);
      const begun = await this.moves.make(tx, caller, row, 'execute', [
        'quorum_met',
        'gates_pass',
        'unchanged',
        'targets_locked',
      ]);
      await this.begin(tx, row, executor);
      return begun;
    });
  }

  /** The first job of an execution. */
  async begin(tx: OrgTx, row: RolloutRow, executorId: string): Promise<void> {
    await storeBegun(tx, row.id, executorId, this.clock.now());
    await this.goOn(tx, row);
  }

  /** Another job, which alone may go on with it. */
  async goOn(tx: OrgTx, row: RolloutRow): Promise<void> {
    const jobId = await this.jobs.enqueue(tx, advanceQueue, { orgId: row.org_id, rolloutId: row.id });
    await storeJob(tx, row.org_id, row.id, jobId);
  }

  /** No further step begins; one that is under way ends. */
  async pause(caller: Caller, id: string, reason: string): Promise<RolloutDetailView> {
    return this.#on(caller, id, async (tx, row) => {
      const paused = await this.moves.make(tx, caller, row, 'pause', [], { reason });
      await storeJob(tx, row.org_id, id, null);
      return paused;
    });
  }

  async resume(caller: Caller, id: string): Promise<RolloutDetailView> {
    return this.#on(caller, id, async (tx, row) => {
      nextState(row, 'resume', ['quorum_met', 'gates_pass']);
      await this.readiness.requireIdle(tx, row);
      const diverged = await this.readiness.divergence(tx, caller, row);
      if (diverged) return diverged;
      const by = await this.readiness.again(tx, caller, row);
      if (by instanceof Fault) return by;
      const resumed =
        by === 'gates'
          ? await this.moves.make(tx, caller, row, 'resume', ['quorum_met', 'gates_pass'])
          : await this.moves.make(tx, caller, row, 'resume_break_glass', ['break_glass']);
      await this.goOn(tx, row);
      return resumed;
    });
  }

  /** Gives up going on: the rollout waits for an operator, who repairs it or rolls it back. */
  async stop(caller: Caller, id: string, reason: string): Promise<RolloutDetailView> {
    return this.#on(caller, id, async (tx, row) => {
      const stopped = await this.moves.make(tx, caller, row, 'stop', [], { reason });
      await storeJob(tx, row.org_id, id, null);
      return stopped;
    });
  }

  /** Somebody looks whether it does what it should. Faults: `rollout.needs_person`, `rollout.duty_conflict`. */
  async verify(caller: Caller, id: string, passed: boolean, comment: string): Promise<RolloutDetailView> {
    const { userId } = personIn(caller);
    return this.#on(caller, id, async (tx, row) => {
      nextState(row, 'verify', ['verified']);
      await this.#requireDuty(tx, row, userId, 'verifier');
      if (!passed) return this.moves.make(tx, caller, row, 'stop', [], { reason: 'verification_failed' });
      const now = this.clock.now();
      const done = await this.moves.make(tx, caller, row, 'verify', ['verified'], { reason: comment });
      await storeVerified(tx, id, userId, now);
      await releaseAll(tx, this.moves, caller, row);
      return { ...done, verifier_id: userId, completed_at: now };
    });
  }

  async steps(caller: Caller, id: string): Promise<StepList> {
    return this.database.inOrg(caller, async (tx) => {
      await found(readRollout(tx, tx.orgId, id));
      const rows = await readSteps(tx, tx.orgId, id);
      return {
        items: rows.slice(0, 10_000).map((row) => ({
          phase: row.phase,
          unit: row.unit,
          wave: row.wave,
          targetId: row.target_id,
          name: row.name,
          command: row.command,
          state: row.state,
          key: row.key,
          runs: row.runs,
          question: row.question,
          code: row.code,
          detail: row.detail,
          intendedAt: row.intended_at.toISOString(),
          endedAt: row.ended_at?.toISOString() ?? null,
        })),
      };
    });
  }

  /** What `work` answers, or the fault it answers: that one commits what is on record of it. */
  async #on(
    caller: Caller,
    id: string,
    work: (tx: OrgTx, row: PlannedRow) => Promise<RolloutRow | Fault>,
  ): Promise<RolloutDetailView> {
    const outcome = await this.database.inOrg(caller, async (tx) =>
      work(tx, planned(await found(lockRollout(tx, tx.orgId, id)))),
    );
    if (outcome instanceof Fault) throw outcome;
    return detailView(outcome);
  }

  async #requireDuty(
    tx: OrgTx,
    row: PlannedRow,
    userId: string,
    duty: 'executor' | 'verifier',
  ): Promise<void> {
    const duties = (await this.standing.of(tx, row, [userId])).conflicts(userId, duty);
    if (duties.length > 0) throw RolloutFault.duty_conflict({ data: { duties } });
  }
}
