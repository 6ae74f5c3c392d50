import { Injectable } from '@nestjs/common';
import { Database, type OrgTx } from '#database';
import { canonicalJson, type Caller, type Json, type Page, pageOf, readPage } from '#kernel';
import { allPass, blocking } from '../gates/gate.ts';
import { gateView } from '../gates/gate-results.ts';
import { Gates } from '../gates/gates.ts';
import { planned } from '../lifecycle/moves.ts';
import { type PlannedRow, readGated } from '../lifecycle/rollout.store.ts';
import type { DryRunQuery, DryRunView } from './dry-run.contract.ts';
import type { RolloutPolicyRequest } from './policy.contract.ts';
import type { PolicyRules } from './policy-rules.ts';
import { forbidWrites } from './policy.store.ts';
import { RolloutPolicies } from './rollout-policies.ts';

/** What a policy that nobody has made yet would do to the rollouts there are. */
@Injectable()
export class DryRun {
  constructor(
    private readonly database: Database,
    private readonly policies: RolloutPolicies,
    private readonly gates: Gates,
  ) {}

  /** The database itself lets nothing be written meanwhile. Fault: `rollout.bad_policy`. */
  async of(caller: Caller, request: RolloutPolicyRequest, query: DryRunQuery): Promise<Page<DryRunView>> {
    const rules = this.policies.rulesOf(request);
    const { limit, before } = readPage(query);
    return this.database.inOrg(caller, async (tx) => {
      await forbidWrites(tx);
      const rows = await readGated(tx, { limit: limit + 1, before, policyId: query.policyId });
      const { items, next } = pageOf(rows, limit, planned);
      const views: DryRunView[] = [];
      for (const row of items) views.push(await this.#compare(tx, row, rules));
      return { items: views, ...(next !== undefined && { next }) };
    });
  }

  /** Sign-offs and results count as they are, though the digest would be another. */
  async #compare(tx: OrgTx, row: PlannedRow, rules: PolicyRules): Promise<DryRunView> {
    const { plan } = row;
    const now = await this.gates.evaluate(tx, row);
    const then = await this.gates.evaluate(tx, {
      ...row,
      plan: { ...plan, policy: { ...plan.policy, rules } },
    });
    return {
      rolloutId: row.id,
      title: row.title,
      state: row.state,
      policyId: plan.policy.id,
      planAgain: textOf(plan.policy.rules) !== textOf(rules),
      openNow: allPass(now),
      openThen: allPass(then),
      closedNow: blocking(now).map(gateView),
      closedThen: blocking(then).map(gateView),
    };
  }
}

const textOf = (rules: PolicyRules): string => canonicalJson(rules as unknown as Json);
