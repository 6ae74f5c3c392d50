import { Injectable } from '@nestjs/common';
import { type Caller, Clock, Fault, type InputError, type Json } from '#kernel';
import { Database } from '#database';
import { SecretStore } from '#secrets';
import { StepRunner } from '../apply/step-runner.ts';
import { waveFaults } from '../apply/waves.ts';
import { Postures } from '../gates/postures.ts';
import { readPolicy } from '../policy/policy.store.ts';
import { RolloutFault } from '../rollout.faults.ts';
import { humanOf } from '../lifecycle/human.ts';
import { namedSource, type SourceStanding, standingOfSource } from '../sources/source-standing.ts';
import { findTargets } from '../targets/target.store.ts';
import { liveState } from '../targets/targets.ts';
import { graver, requireAllowed, stepsOf } from '../lifecycle/classes.ts';
import { type By, Moves, nextState } from '../lifecycle/moves.ts';
import {
  type Effect,
  type Plan,
  type PlannedSecret,
  type PlannedSource,
  type PlannedStep,
  type PlannedTarget,
  type RecoveryKind,
  recoveryDigest,
  subjectDigest,
} from '../lifecycle/plan.ts';
import type { PlanRequest, SourceField, StepField } from './plan.contract.ts';
import {
  type AnyTx,
  boundTo,
  lockRollout,
  type PlannedRow,
  type RolloutRow,
  storePlan,
} from '../lifecycle/rollout.store.ts';

/** Where what is there differs from what was sealed; `unread` where that is not known, and was not known otherwise. */
export interface Difference {
  readonly what: string;
  readonly unread: boolean;
}

/** Makes plans and seals them, and tells whether what was sealed is still what is there. */
@Injectable()
export class Planning {
  constructor(
    private readonly database: Database,
    private readonly moves: Moves,
    private readonly runner: StepRunner,
    private readonly secrets: SecretStore,
    private readonly postures: Postures,
    private readonly clock: Clock,
  ) {}

  /**
   * Seals a plan. The same plan again changes nothing, so that its sign-offs stay; another one voids them. Faults:
   * `rollout.bad_plan`, `rollout.unknown_command`, `rollout.forbidden_*`, `rollout.wrong_state`,
   * `secrets.unavailable`, `secrets.store_refused`.
   */
  async plan(caller: Caller, id: string, request: PlanRequest): Promise<RolloutRow> {
    return this.database.inOrg(caller, async (tx) => {
      const row = await lockRollout(tx, tx.orgId, id);
      if (!row) throw RolloutFault.not_found();
      return this.seal(tx, caller, row, { request, plannerId: humanOf(caller) });
    });
  }

  /** The same, of a row that the transaction has locked. `plannerId` is the human who wrote the plan. */
  async seal(
    tx: AnyTx,
    by: By,
    row: RolloutRow,
    { request, plannerId }: { request: PlanRequest; plannerId: string },
  ): Promise<RolloutRow> {
    nextState(row, 'plan', ['plan_sealed']);
    const plan = await this.#planOf(tx, row, request);
    const digest = subjectDigest(row.org_id, plan);
    if (row.digest === digest && row.state !== 'suspended') return row;
    const sealed = { plan, digest, recoveryDigest: recoveryDigest(plan), plannerId };
    const now = await storePlan(tx, row, sealed);
    await this.moves.note(tx, by, {
      action: 'rollout.planned',
      target: { type: 'rollout', id: row.id },
      changes: {
        digest: { ...(row.digest !== null && { from: row.digest }), to: digest },
        targets: { to: plan.targets.length },
        steps: { to: plan.steps.length },
        ...(plan.source && { source: { to: { ...plan.source } } }),
      },
    });
    return this.moves.make(tx, by, now, 'plan', ['plan_sealed']);
  }

  /** Faults as of a plan with these steps, whatever its targets are. */
  checkSteps({ steps, waves = [], recovery }: PlanRequest): void {
    const errors: InputError[] = [];
    const all = [...steps, ...waves.flatMap(({ checks = [] }) => checks), ...(recovery.steps ?? [])];
    for (const step of all) this.#step(step, 'plan', errors);
    if (errors.length > 0) throw RolloutFault.bad_plan({ errors });
  }

  /** Where the commit of a rollout that has not begun stands; undefined where it is of none. */
  async source(tx: AnyTx, row: PlannedRow): Promise<SourceStanding | undefined> {
    if (row.plan.source === undefined || row.begun_at !== null) return undefined;
    return standingOfSource(tx, row.org_id, row.plan.source, this.clock.now().getTime());
  }

  /**
   * Where what is there differs from what was sealed: `source`, `target:<id>`, `secret:<path>`, `policy`, `command:<name>`,
   * `digest`. What cannot be read, or was seen too long ago, differs. `targets`: those that nothing was done to yet.
   */
  async differences(tx: AnyTx, row: PlannedRow, targets?: readonly string[]): Promise<Difference[]> {
    const { plan } = row;
    const found = new Map<string, boolean>();
    const differs = (what: string, unread = false): void => void found.set(what, unread);
    const standing = await this.source(tx, row);
    if (standing !== undefined && standing.verdict !== 'pass') differs('source', standing.verdict !== 'fail');
    const compared = plan.targets.filter(({ id }) => targets === undefined || targets.includes(id));
    const rows = await findTargets(
      tx,
      row.org_id,
      compared.map(({ id }) => id),
    );
    const now = this.clock.now();
    for (const target of compared) {
      const live = rows.find(({ id }) => id === target.id);
      const isOther = live?.state !== target.state || live.version !== target.version;
      if (isOther || liveState(live, now) === undefined) differs(`target:${target.id}`, !isOther);
    }
    const newest = await this.#readable(tx, row);
    for (const { path, version, createdAt } of plan.secrets) {
      const read = newest?.get(path);
      if (read?.version !== version || read.createdAt !== createdAt)
        differs(`secret:${path}`, newest === undefined);
    }
    const policy = await readPolicy(tx, row.org_id, plan.policy.id);
    const rules = JSON.stringify(policy?.rules ?? null);
    const livePlan = {
      ...plan,
      policy: { ...plan.policy, rules: JSON.parse(rules) as Plan['policy']['rules'] },
    };
    if (policy === undefined || subjectDigest(row.org_id, livePlan) !== subjectDigest(row.org_id, plan))
      differs('policy');
    for (const step of stepsOf(plan)) {
      if (this.runner.command(step.command)?.version !== step.version) differs(`command:${step.command}`);
    }
    // The row itself may have been altered behind the product's back.
    if (subjectDigest(row.org_id, plan) !== row.digest) differs('digest');
    return [...found].map(([what, unread]) => ({ what, unread }));
  }

  async #liveTargets(tx: AnyTx, orgId: string, ids: readonly string[]): Promise<Map<string, PlannedTarget>> {
    const rows = await findTargets(tx, orgId, ids);
    const now = this.clock.now();
    return new Map(
      rows.flatMap((target) => {
        const state = liveState(target, now);
        const { id, version } = target;
        return state === undefined ? [] : [[id, { id, state, version }] as const];
      }),
    );
  }

  /** Undefined where a store that lies elsewhere does not answer: not known, and so not what was signed. */
  async #readable(
    tx: AnyTx,
    { org_id: orgId, plan }: PlannedRow,
  ): Promise<Map<string, PlannedSecret> | undefined> {
    try {
      return await this.#secrets(
        tx,
        orgId,
        plan.secrets.map(({ path }) => path),
      );
    } catch (error) {
      if (error instanceof Fault && error.kind === 'unavailable') return undefined;
      throw error;
    }
  }

  async #secrets(tx: AnyTx, orgId: string, paths: readonly string[]): Promise<Map<string, PlannedSecret>> {
    if (paths.length === 0) return new Map();
    const newest = await this.secrets.newest(tx, orgId, paths);
    return new Map(
      [...newest].map(([path, { version, createdAt }]) => [
        path,
        { path, version, createdAt: createdAt.toISOString() },
      ]),
    );
  }

  async #planOf(tx: AnyTx, row: RolloutRow, request: PlanRequest): Promise<Plan> {
    const policy = await readPolicy(tx, row.org_id, row.policy_id);
    if (!policy) throw RolloutFault.policy_not_found();
    const live = await this.#liveTargets(tx, row.org_id, request.targets);
    const paths = [...new Set(request.secrets ?? [])];
    const newest = await this.#secrets(tx, row.org_id, paths);
    const errors = faultsOf(request, live, newest);
    errors.push(...(await this.#surfaceFaults(tx, row.org_id, request.targets)));
    const source = await this.#sourceOf(tx, row, request.source, errors);
    const read = (steps: readonly StepField[], at: string): PlannedStep[] =>
      steps.map((step, index) => this.#step(step, `${at}[${index}]`, errors));
    const plan: Plan = {
      ...(source && { source }),
      environment: request.environment,
      targets: [...new Set(request.targets)].flatMap((id) => live.get(id) ?? []),
      steps: read(request.steps, 'steps'),
      artifacts: (request.artifacts ?? []).map(({ name, digest }) => ({ name, digest })),
      secrets: paths.flatMap((path) => newest.get(path) ?? []),
      waves: (request.waves ?? [{ targets: request.targets }]).map((wave, index) => ({
        targets: [...wave.targets],
        bakeSeconds: wave.bakeSeconds ?? 0,
        checks: read(wave.checks ?? [], `waves[${index}].checks`),
        failureLimit: wave.failureLimit ?? 0,
      })),
      recovery: {
        kind: request.recovery.kind as RecoveryKind,
        steps: read(request.recovery.steps ?? [], 'recovery.steps'),
        windowSeconds: request.recovery.windowSeconds ?? 0,
      },
      policy: { id: policy.id, rules: policy.rules },
    };
    for (const [index, wave] of plan.waves.entries())
      for (const check of wave.checks)
        if (check.effect !== 'none')
          errors.push({ path: `waves[${index}].checks`, message: 'must change nothing' });
    if (errors.length > 0) throw RolloutFault.bad_plan({ errors });
    return plan;
  }

  /** A surface that is not there will never be ready: said now, not at the gate. */
  async #surfaceFaults(tx: AnyTx, orgId: string, targets: readonly string[]): Promise<InputError[]> {
    const rows = await findTargets(tx, orgId, targets);
    const named = new Map(rows.flatMap(({ id, surface_id: surface }) => (surface ? [[id, surface]] : [])));
    const existing = await this.postures.existing(tx, orgId, [...named.values()]);
    return targets.flatMap((id, index) => {
      const surface = named.get(id);
      return surface === undefined || existing.has(surface)
        ? []
        : [{ path: `targets[${index}]`, message: `is of the surface ${surface}, which is not there` }];
    });
  }

  /** The commit that is asked for, or that the rollout is of already. */
  async #sourceOf(
    tx: AnyTx,
    row: RolloutRow,
    field: SourceField | undefined,
    errors: InputError[],
  ): Promise<PlannedSource | undefined> {
    const source = field ? await namedSource(tx, row.org_id, field) : boundTo(row);
    if (source === undefined && field === undefined) return undefined;
    const standing = source && (await standingOfSource(tx, row.org_id, source, this.clock.now().getTime()));
    if (standing?.verdict === 'pass') return source;
    const message = {
      source_moved: 'is not where the ref stood when Gitea was last read',
      reading_too_old: 'was not read for too long: have the hook read everything',
    };
    const reason = standing?.reason ?? 'source_unreadable';
    errors.push({
      path: 'source',
      message: reason in message ? message[reason as keyof typeof message] : 'is nothing that a hook reads',
    });
    return source;
  }

  #step(field: StepField, path: string, errors: InputError[]): PlannedStep {
    const command = this.runner.command(field.command);
    if (!command) {
      throw RolloutFault.unknown_command({
        errors: [{ path: `${path}.command`, message: 'does not exist' }],
      });
    }
    const given = (field.arguments ?? {}) as Record<string, Json>;
    const wrong = command.faultOf(given);
    if (wrong !== undefined) errors.push({ path: `${path}.arguments`, message: wrong });
    if (field.idempotent === true && !command.idempotent)
      errors.push({ path: `${path}.idempotent`, message: 'is more than the command can keep' });
    const step: PlannedStep = {
      name: field.name,
      command: command.name,
      version: command.version,
      arguments: given,
      effect: graver(command.effect, (field.effect ?? 'none') as Effect),
      idempotent: command.idempotent && (field.idempotent ?? true),
      irreversible: field.irreversible ?? false,
    };
    requireAllowed([step]);
    return step;
  }
}

const DIGEST = /^sha256:[0-9a-f]{64}$/;

function faultsOf(
  request: PlanRequest,
  live: ReadonlyMap<string, PlannedTarget>,
  newest: ReadonlyMap<string, PlannedSecret>,
): InputError[] {
  const errors: InputError[] = [];
  for (const [index, id] of request.targets.entries()) {
    if (!live.has(id))
      errors.push({ path: `targets[${index}]`, message: 'is no target whose state is known now' });
  }
  for (const [index, path] of (request.secrets ?? []).entries()) {
    if (!newest.has(path))
      errors.push({ path: `secrets[${index}]`, message: 'is no secret that can be read' });
  }
  for (const [index, { digest }] of (request.artifacts ?? []).entries()) {
    if (!DIGEST.test(digest))
      errors.push({
        path: `artifacts[${index}].digest`,
        message: 'must be sha256: and 64 hexadecimal digits',
      });
  }
  const waves = request.waves ?? [{ targets: request.targets }];
  errors.push(...waveFaults(waves, request.targets).map((message) => ({ path: 'waves', message })));
  const { kind, steps = [] } = request.recovery;
  if (kind !== 'irreversible' && steps.length === 0)
    errors.push({ path: 'recovery.steps', message: 'must say the way back' });
  if (kind === 'irreversible' && steps.length > 0)
    errors.push({ path: 'recovery.steps', message: 'must be empty where there is no way back' });
  return errors;
}
