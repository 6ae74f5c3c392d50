import { Injectable } from '@nestjs/common';
import { Unattended } from '#access';
import { Database, type SystemTx } from '#database';
import { HandlesJob, type JobFacts, Jobs } from '#jobs';
import { Clock, newId } from '#kernel';
import { type GlassRow, notPassedOver, openGlass } from '../breakglass/break-glass.store.ts';
import { isClockWrong } from '../freeze/freeze.store.ts';
import { Gates } from '../gates/gates.ts';
import { type By, Moves, planned } from '../lifecycle/moves.ts';
import { Planning } from '../planning/planning.ts';
import { lockRollout, type PlannedRow, readLastMove, storeJob } from '../lifecycle/rollout.store.ts';
import { findTargets, storeVersion } from '../targets/target.store.ts';
import { type AdvanceJob, advanceQueue, STEP_SECONDS } from './advance-queue.ts';
import { releaseAll } from './release.ts';
import {
  endStep,
  insertIntent,
  type Phase,
  readSteps,
  renewIntent,
  SAID_NOT_DONE,
  type StepRow,
} from './step.store.ts';
import { type StepOrder, type StepOutcome, StepRunner } from './step-runner.ts';
import { unrunnable } from './runnable.ts';
import { recoveryUnits, touchedOf, type Unit, unitsOf } from './waves.ts';

/** One run of one unit, its intent on record. */
interface Taken {
  readonly row: PlannedRow;
  readonly phase: Phase;
  readonly index: number;
  readonly unit: Unit;
  readonly units: readonly Unit[];
  readonly token: string;
  readonly order: StepOrder;
}

/** How often a step that may be repeated is, where its outcome is not known. */
const REPEATS = 2;

const byUs = (row: PlannedRow): By => ({ system: 'rollout', orgId: row.org_id });

/**
 * Carries out a rollout, one unit a job: the intent is on record before anything happens, the outcome after it. Where a
 * worker died between the two, an idempotent step is repeated under its key, and any other waits for an operator.
 */
@Injectable()
export class Advance {
  constructor(
    private readonly database: Database,
    private readonly moves: Moves,
    private readonly planning: Planning,
    private readonly gates: Gates,
    private readonly jobs: Jobs,
    private readonly runner: StepRunner,
    private readonly clock: Clock,
  ) {}

  @HandlesJob(advanceQueue)
  @Unattended('it does what was signed, and nothing but the next step of it')
  async advance({ orgId, rolloutId }: AdvanceJob, job: JobFacts): Promise<void> {
    const taken = await this.database.acrossOrgs('rollouts', (tx) =>
      this.#take(tx, orgId, rolloutId, job.id),
    );
    if (!taken) return;
    const outcome = await this.#carryOut(taken.order);
    await this.database.acrossOrgs('rollouts', (tx) => this.#settle(tx, taken, outcome, job.id));
  }

  /** A runner that fails says nothing of what happened. */
  async #carryOut(order: StepOrder): Promise<StepOutcome> {
    try {
      return await this.runner.run(order, AbortSignal.timeout(STEP_SECONDS * 1000));
    } catch {
      return { state: 'unknown', code: 'runner_failed' };
    }
  }

  /** The next run, its intent on record; undefined where there is nothing to run, or not by this job. */
  async #take(tx: SystemTx, orgId: string, rolloutId: string, jobId: string): Promise<Taken | undefined> {
    const locked = await lockRollout(tx, orgId, rolloutId);
    if (locked?.job_id !== jobId || !['executing', 'rolling_back'].includes(locked.state)) return undefined;
    const row = planned(locked);
    const journal = await readSteps(tx, orgId, rolloutId);
    const phase: Phase = row.state === 'rolling_back' ? 'recovery' : 'apply';
    const units = phase === 'apply' ? unitsOf(row.plan) : recoveryUnits(row.plan);
    const isWanted = phase === 'apply' ? () => true : wantedBack(row, journal);
    const done = new Map(journal.filter((one) => one.phase === phase).map((one) => [one.unit, one]));
    const index = units.findIndex((one, at) => isWanted(one) && done.get(at)?.state !== 'succeeded');
    const unit = units[index];
    if (!unit) {
      await this.#finish(tx, row, phase, journal);
      return undefined;
    }
    const before = done.get(index);
    if (before?.state === 'unknown' || (before?.state === 'intended' && !unit.step.idempotent)) {
      await this.#leave(tx, row, phase, before);
      return undefined;
    }
    const refused = unrunnable(row, unit) ?? (mayRunAgain(before, unit) ? undefined : 'step_failed');
    if (refused !== undefined) {
      await this.moves.make(tx, byUs(row), row, 'stop', [], { reason: refused });
      return undefined;
    }
    if (!before && phase === 'apply' && !(await this.#mayBegin(tx, row, units, index, [...done.values()])))
      return undefined;
    return this.#intend(tx, row, { phase, units, index, unit, repeats: before !== undefined });
  }

  async #intend(
    tx: SystemTx,
    row: PlannedRow,
    next: { phase: Phase; units: readonly Unit[]; index: number; unit: Unit; repeats: boolean },
  ): Promise<Taken> {
    const { phase, units, index, unit, repeats } = next;
    const where = { orgId: row.org_id, rolloutId: row.id, phase, unit: index };
    const [token, at] = [newId(), this.clock.now()];
    const key = `${row.id}:${phase}:${index}`;
    const targetId = unit.kind === 'step' ? unit.target : null;
    const { name, command } = unit.step;
    if (repeats) await renewIntent(tx, where, token, at);
    else await insertIntent(tx, where, { wave: unit.wave, targetId, name, command, key, token, at });
    const target = targetId === null ? undefined : await this.#target(tx, row, targetId);
    // Between two versions it holds none.
    if (targetId !== null) await storeVersion(tx, row.org_id, row.id, targetId, null);
    await this.moves.note(tx, byUs(row), {
      action: 'rollout.step_started',
      target: { type: 'rollout', id: row.id },
      changes: {
        phase: { to: phase },
        unit: { to: index },
        name: { to: name },
        command: { to: command },
        key: { to: key },
        run: { to: token },
        ...(target && { target: { to: target.id }, fence: { to: Number(target.fence) } }),
      },
    });
    const order = {
      orgId: row.org_id,
      rolloutId: row.id,
      command,
      arguments: unit.step.arguments,
      target,
      key,
    };
    return { row, phase, index, unit, units, token, order };
  }

  async #target(tx: SystemTx, row: PlannedRow, id: string): Promise<StepOrder['target']> {
    const [target] = await findTargets(tx, row.org_id, [id]);
    if (target?.locked_by !== row.id) throw new Error('a target is not held by the rollout that acts on it');
    return { id, name: target.name, fence: target.fence };
  }

  /** What has to hold before a unit is begun for the first time: the wave may start, has baked, the target is the same. */
  async #mayBegin(
    tx: SystemTx,
    row: PlannedRow,
    units: readonly Unit[],
    index: number,
    journal: readonly StepRow[],
  ): Promise<boolean> {
    const unit = units[index]!;
    const last = units[index - 1];
    // One that has ended keeps nothing back that went on by its gates since.
    const isByGlass = (await readLastMove(tx, row))?.move.endsWith('break_glass') === true;
    const glass = isByGlass ? await openGlass(tx, row.org_id, row.id) : undefined;
    const closed = glass
      ? await this.#ended(tx, glass)
      : last?.wave !== unit.wave && (await this.#frozen(tx, row));
    if (closed) {
      await this.moves.make(tx, byUs(row), row, 'pause', [], { reason: closed });
      return false;
    }
    if (unit.kind === 'check') return this.#baked(tx, row, unit.wave, journal);
    const isFirst = last?.kind !== 'step' || last.target !== unit.target;
    const found = isFirst ? await this.planning.differences(tx, row, [unit.target]) : [];
    const differences = notPassedOver(found, glass);
    if (differences.length === 0) return true;
    await this.moves.note(tx, byUs(row), {
      action: 'rollout.diverged',
      target: { type: 'rollout', id: row.id },
      changes: { digest: { to: row.digest }, differences: { to: differences } },
    });
    await this.moves.make(tx, byUs(row), row, 'stop', [], { reason: 'diverged' });
    return false;
  }

  /** A break-glass ends between any two steps, and where nobody knows what time it is. */
  async #ended(tx: SystemTx, glass: GlassRow): Promise<string | undefined> {
    if (glass.ends_at <= this.clock.now()) return 'break_glass_ended';
    return (await isClockWrong(tx, this.clock.now())) ? 'clock_skew' : undefined;
  }

  /** Why no wave may start now. */
  async #frozen(tx: SystemTx, row: PlannedRow): Promise<string | undefined> {
    const { verdict, reason } = await this.gates.freeze(tx, row);
    return verdict === 'pass' ? undefined : reason;
  }

  async #baked(tx: SystemTx, row: PlannedRow, wave: number, journal: readonly StepRow[]): Promise<boolean> {
    const ends = journal.filter((one) => one.wave === wave).map((one) => one.ended_at?.getTime() ?? 0);
    const due = Math.max(0, ...ends) + (row.plan.waves[wave]?.bakeSeconds ?? 0) * 1000;
    const left = Math.ceil((due - this.clock.now().getTime()) / 1000);
    if (left <= 0) return true;
    await this.moves.note(tx, byUs(row), {
      action: 'rollout.baking',
      target: { type: 'rollout', id: row.id },
      changes: { wave: { to: wave }, until: { to: new Date(due).toISOString() } },
    });
    await this.#next(tx, row, left);
    return false;
  }

  /** A step of which nobody knows whether it happened: the question goes to a person. */
  async #leave(tx: SystemTx, row: PlannedRow, phase: Phase, step: StepRow): Promise<void> {
    const where = { orgId: row.org_id, rolloutId: row.id, phase, unit: step.unit };
    const question = questionOf(step);
    const code = 'worker_lost';
    await endStep(tx, where, step.run_token, {
      state: 'unknown',
      code,
      detail: undefined,
      question,
      at: this.clock.now(),
    });
    await this.#noteEnd(tx, row, phase, step, 'unknown', code);
    await this.moves.make(tx, byUs(row), row, 'stop', [], { reason: 'step_unknown' });
  }

  async #settle(tx: SystemTx, taken: Taken, outcome: StepOutcome, jobId: string): Promise<void> {
    const { phase, index, unit, units, token } = taken;
    const locked = await lockRollout(tx, taken.row.org_id, taken.row.id);
    if (!locked) return;
    const row = planned(locked);
    const where = { orgId: row.org_id, rolloutId: row.id, phase, unit: index };
    const facts = { unit: index, name: unit.step.name, target_id: unit.kind === 'step' ? unit.target : null };
    const code = outcome.code?.slice(0, 100);
    // A check that says nothing has not passed, and what may be repeated is; of any other step nobody knows.
    const mayRepeat = outcome.state === 'unknown' && unit.step.idempotent;
    const state =
      mayRepeat || (unit.kind === 'check' && outcome.state === 'unknown') ? 'failed' : outcome.state;
    const question = state === 'unknown' ? questionOf({ ...facts, key: taken.order.key }) : undefined;
    const ended = await endStep(tx, where, token, {
      state,
      code,
      detail: outcome.detail?.slice(0, 1_000),
      question,
      at: this.clock.now(),
    });
    // Another run was given the step meanwhile, or a person has answered for it.
    if (!ended) return;
    await this.#noteEnd(tx, row, phase, { ...facts, run_token: token }, state, code);
    if (state === 'succeeded' && unit.kind === 'step' && isLastOf(units, index))
      await storeVersion(tx, row.org_id, row.id, unit.target, versionAfter(row, phase, unit.target));
    if (row.job_id !== jobId || !['executing', 'rolling_back'].includes(row.state)) return;
    const limit =
      unit.kind === 'check' ? (row.plan.waves[unit.wave]?.failureLimit ?? 0) : mayRepeat ? REPEATS : 0;
    const again = state === 'failed' && ended.failures <= limit;
    if (state === 'succeeded' || again) return this.#next(tx, row, state === 'succeeded' ? 0 : 1);
    const reason = unit.kind === 'check' ? 'check_failed' : `step_${state}`;
    await this.moves.make(tx, byUs(row), row, 'stop', [], { reason });
  }

  async #finish(tx: SystemTx, row: PlannedRow, phase: Phase, journal: readonly StepRow[]): Promise<void> {
    if (phase === 'apply') {
      await this.moves.make(tx, byUs(row), row, 'finish_steps', ['steps_done']);
      return;
    }
    const isPart = touchedOf(row.plan, journal).some((id) => !isTakenBack(row, id));
    const made = isPart ? { reason: 'partial_boundary' } : {};
    await this.moves.make(tx, byUs(row), row, 'finish_rollback', ['recovery_done'], made);
    await releaseAll(tx, this.moves, byUs(row), row);
  }

  async #next(tx: SystemTx, row: PlannedRow, afterSeconds: number): Promise<void> {
    const data = { orgId: row.org_id, rolloutId: row.id };
    const jobId = await this.jobs.enqueue(tx, advanceQueue, data, afterSeconds);
    await storeJob(tx, row.org_id, row.id, jobId);
  }

  async #noteEnd(
    tx: SystemTx,
    row: PlannedRow,
    phase: Phase,
    step: Pick<StepRow, 'unit' | 'name' | 'target_id' | 'run_token'>,
    state: string,
    code: string | undefined,
  ): Promise<void> {
    await this.moves.note(tx, byUs(row), {
      action: 'rollout.step_ended',
      target: { type: 'rollout', id: row.id },
      outcome: state === 'succeeded' ? 'success' : 'failure',
      ...(code !== undefined && { reason: code }),
      changes: {
        phase: { to: phase },
        unit: { to: step.unit },
        name: { to: step.name },
        state: { to: state },
        run: { to: step.run_token },
        ...(step.target_id !== null && { target: { to: step.target_id } }),
      },
    });
  }
}

const isLastOf = (units: readonly Unit[], index: number): boolean => {
  const [one, next] = [units[index], units[index + 1]];
  return one?.kind === 'step' && (next?.kind !== 'step' || next.target !== one.target);
};

function versionAfter(row: PlannedRow, phase: Phase, target: string): string | null {
  return phase === 'apply' ? row.digest : (row.plan.targets.find(({ id }) => id === target)?.version ?? null);
}

const isTakenBack = ({ recovery_targets: only }: PlannedRow, target: string): boolean =>
  only === null || only.includes(target);

/** Of the way back: what was touched, as far as the rollback goes. */
function wantedBack(row: PlannedRow, journal: readonly StepRow[]): (unit: Unit) => boolean {
  const touched = touchedOf(row.plan, journal);
  return (unit) => unit.kind === 'step' && touched.includes(unit.target) && isTakenBack(row, unit.target);
}

/** What failed and may not be repeated is run again only where an operator has said that it did not happen. */
function mayRunAgain(before: StepRow | undefined, { kind, step }: Unit): boolean {
  return before?.state !== 'failed' || kind === 'check' || step.idempotent || before.code === SAID_NOT_DONE;
}

function questionOf({
  unit,
  name,
  target_id: target,
  key,
}: Pick<StepRow, 'unit' | 'name' | 'target_id' | 'key'>): string {
  return `Did the step “${name}” (number ${unit}${target === null ? '' : `, target ${target}`}) happen? It was begun under the key ${key}, and how it ended is not known. Look at the target, then answer done or not_done.`;
}
