import { Injectable } from '@nestjs/common';
import { Unattended } from '#access';
import { Database } from '#database';
import { HandlesJob, JobQueue, Jobs } from '#jobs';
import { type Caller, Clock } from '#kernel';
import { type StepOutcome, StepRunner } from '../apply/step-runner.ts';
import { Moves, planned, found } from '../lifecycle/moves.ts';
import { authorsOf, lockRollout, type PlannedRow, readRollout } from '../lifecycle/rollout.store.ts';
import type { GateRule } from '../policy/policy-rules.ts';
import { RolloutFault } from '../rollout.faults.ts';
import { personIn } from '../lifecycle/human.ts';
import { readStanding } from '../signoff/person.store.ts';
import { Standing } from '../signoff/standing.ts';
import { allPass, type GateResult } from './gate.ts';
import type { GateList, GateView, ManualRequest } from './gate.contract.ts';
import { insertResult } from './gate.store.ts';
import { Gates } from './gates.ts';

interface CheckJob {
  readonly orgId: string;
  readonly rolloutId: string;
  readonly gate: string;
  readonly digest: string;
}

const CHECK_SECONDS = 60;

const checkQueue = new JobQueue<CheckJob>('rollout_check', {
  retries: 2,
  firstDelay: 5,
  longestDelay: 30,
  within: CHECK_SECONDS + 30,
  concurrency: 2,
});

/** Results that gates wait for: what a person says, and what a check command finds. */
@Injectable()
export class GateResults {
  constructor(
    private readonly database: Database,
    private readonly gates: Gates,
    private readonly standing: Standing,
    private readonly moves: Moves,
    private readonly jobs: Jobs,
    private readonly runner: StepRunner,
    private readonly clock: Clock,
  ) {}

  async list(caller: Caller, id: string): Promise<GateList> {
    return this.database.inOrg(caller, async (tx) => {
      const row = planned(await found(readRollout(tx, tx.orgId, id)));
      const items = await this.gates.evaluate(tx, row);
      return { open: allPass(items), items: items.map(gateView) };
    });
  }

  /** Faults: `rollout.needs_person`, `rollout.gate_not_found`, `rollout.gate_not_yours`, `rollout.digest_changed`. */
  async say(caller: Caller, id: string, gate: string, request: ManualRequest): Promise<GateList> {
    const { userId } = personIn(caller);
    await this.database.inOrg(caller, async (tx) => {
      const row = planned(await found(lockRollout(tx, tx.orgId, id)));
      const rule = ruleOf(row, gate, 'manual');
      if (row.digest !== request.digest) throw RolloutFault.digest_changed({ data: { digest: row.digest } });
      const { personOf } = await this.standing.of(tx, row, [userId]);
      if (authorsOf(row).map(personOf).includes(personOf(userId)))
        throw RolloutFault.duty_conflict({ data: { duties: ['author'] } });
      const [account] = await readStanding(tx, tx.orgId, [userId]);
      if (rule.role !== undefined && account?.role_name !== rule.role)
        throw RolloutFault.gate_not_yours({ data: { role: rule.role } });
      await this.#record(tx, caller, {
        row,
        rule,
        verdict: request.verdict,
        detail: request.comment,
        by: `user:${userId}`,
      });
    });
    return this.list(caller, id);
  }

  /** Has a check run, by a worker; its result shows at the gates once it is there. */
  async check(caller: Caller, id: string, gate: string): Promise<void> {
    await this.database.inOrg(caller, async (tx) => {
      const row = planned(await found(readRollout(tx, tx.orgId, id)));
      ruleOf(row, gate, 'check');
      await this.jobs.enqueue(tx, checkQueue, { orgId: tx.orgId, rolloutId: id, gate, digest: row.digest });
    });
  }

  @HandlesJob(checkQueue)
  @Unattended('a check changes nothing; somebody who may plan the rollout asked for it')
  async run({ orgId, rolloutId, gate, digest }: CheckJob): Promise<void> {
    const row = await this.database.acrossOrgs('rollouts', (tx) => readRollout(tx, orgId, rolloutId));
    if (!row?.plan || row.digest !== digest) return;
    const rule = ruleOf(planned(row), gate, 'check');
    const outcome = await this.#outcome(planned(row), rule);
    await this.database.acrossOrgs('rollouts', async (tx) => {
      const verdict = { succeeded: 'pass', failed: 'fail', unknown: 'inconclusive' }[outcome.state];
      const by = { system: 'rollout', orgId } as const;
      await this.#record(tx, by, {
        row: planned(row),
        rule,
        verdict,
        detail: outcome.detail,
        by: 'rollout_check',
      });
    });
  }

  async #outcome(row: PlannedRow, rule: GateRule): Promise<StepOutcome> {
    try {
      return await this.runner.run(
        {
          orgId: row.org_id,
          rolloutId: row.id,
          command: rule.command ?? '',
          arguments: rule.arguments ?? {},
          target: undefined,
          key: `${row.id}:gate:${rule.name}`,
        },
        AbortSignal.timeout(CHECK_SECONDS * 1000),
      );
    } catch {
      return { state: 'unknown', code: 'runner_failed' };
    }
  }

  async #record(
    tx: Parameters<typeof insertResult>[0],
    by: Parameters<Moves['note']>[1],
    one: { row: PlannedRow; rule: GateRule; verdict: string; detail: string | undefined; by: string },
  ): Promise<void> {
    const { row, rule, verdict } = one;
    await insertResult(tx, row.org_id, {
      rolloutId: row.id,
      gate: rule.name,
      digest: row.digest,
      verdict,
      source: rule.kind,
      recordedBy: one.by,
      detail: one.detail,
      observedAt: this.clock.now(),
    });
    await this.moves.note(tx, by, {
      action: 'rollout.gate_recorded',
      target: { type: 'rollout', id: row.id },
      changes: {
        gate: { to: rule.name },
        verdict: { to: verdict },
        source: { to: rule.kind },
        digest: { to: row.digest },
      },
    });
  }
}

export function gateView({ until, ...rest }: GateResult): GateView {
  return { ...rest, ...(until !== undefined && { until }) };
}

function ruleOf(row: PlannedRow, gate: string, kind: 'manual' | 'check'): GateRule {
  const rule = row.plan.policy.rules.gates.find((one) => one.name === gate && one.kind === kind);
  if (!rule) throw RolloutFault.gate_not_found();
  return rule;
}
