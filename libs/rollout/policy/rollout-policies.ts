import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { Database } from '#database';
import { type Caller, type InputError, type Json, type Page, pageOf, readPage } from '#kernel';
import { StepRunner } from '../apply/step-runner.ts';
import { RolloutFault } from '../rollout.faults.ts';
import type { Duty } from '../signoff/duties.ts';
import { leastPeople, type Quorum } from '../signoff/quorum.ts';
import type { GateField, RolloutPolicyRequest, RolloutPolicyView } from './policy.contract.ts';
import {
  insertPolicy,
  lockPolicy,
  type PolicyRow,
  readPolicies,
  readPolicy,
  updatePolicy,
} from './policy.store.ts';
import type { GateKind, GateRule, PolicyRules } from './policy-rules.ts';

const DAY = 86_400;

/** What an organization asks of rollouts. A change touches no plan that was sealed, save that it no longer applies. */
@Injectable()
export class RolloutPolicies {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly runner: StepRunner,
  ) {}

  async list(caller: Caller, query: { limit?: number; cursor?: string }): Promise<Page<RolloutPolicyView>> {
    const { limit, before } = readPage(query);
    const rows = await this.database.inOrg(caller, (tx) => readPolicies(tx, limit + 1, before));
    return pageOf(rows, limit, policyView);
  }

  async read(caller: Caller, id: string): Promise<RolloutPolicyView> {
    const row = await this.database.inOrg(caller, (tx) => readPolicy(tx, tx.orgId, id));
    if (!row) throw RolloutFault.policy_not_found();
    return policyView(row);
  }

  async create(caller: Caller, request: RolloutPolicyRequest): Promise<RolloutPolicyView> {
    const rules = this.rulesOf(request);
    return this.database.inOrg(caller, async (tx) => {
      const row = await insertPolicy(tx, request.name, rules);
      if (!row) throw RolloutFault.policy_exists({ errors: [{ path: 'name', message: 'is taken' }] });
      await this.audit.append(tx, caller, {
        action: 'rollout_policy.created',
        target: { type: 'rollout_policy', id: row.id },
        changes: { name: { to: row.name }, rules: { to: rules as unknown as Json } },
      });
      return policyView(row);
    });
  }

  async change(caller: Caller, id: string, request: RolloutPolicyRequest): Promise<RolloutPolicyView> {
    const rules = this.rulesOf(request);
    return this.database.inOrg(caller, async (tx) => {
      const before = await lockPolicy(tx, id);
      if (!before) throw RolloutFault.policy_not_found();
      const row = await updatePolicy(tx, id, request.name, rules);
      if (!row) throw RolloutFault.policy_exists({ errors: [{ path: 'name', message: 'is taken' }] });
      await this.audit.append(tx, caller, {
        action: 'rollout_policy.updated',
        target: { type: 'rollout_policy', id },
        changes: {
          name: { from: before.name, to: row.name },
          rules: { from: before.rules as unknown as Json, to: rules as unknown as Json },
          version: { from: before.version, to: row.version },
        },
      });
      return policyView(row);
    });
  }

  /** The rules that are asked for, with what was left unsaid. Fault: `rollout.bad_policy`. */
  rulesOf(request: RolloutPolicyRequest): PolicyRules {
    const quorum = plain(request.quorum);
    const rules: PolicyRules = {
      quorum,
      irreversibleQuorum: request.irreversibleQuorum ? plain(request.irreversibleQuorum) : oneMore(quorum),
      rollbackQuorum: request.rollbackQuorum
        ? plain(request.rollbackQuorum)
        : { anyOf: [{ allOf: [{ count: 1 }] }] },
      freezeQuorum: request.freezeQuorum ? plain(request.freezeQuorum) : quorum,
      consensus: request.consensus ?? false,
      denials: request.denials ?? 1,
      separate: (request.separate ?? []).map(({ one, other }) => [one as Duty, other as Duty]),
      gates: (request.gates ?? []).map(gateOf),
      reviewSeconds: request.reviewSeconds ?? 7 * DAY,
      approvalSeconds: request.approvalSeconds ?? 7 * DAY,
      backupSeconds: request.backupSeconds ?? DAY,
      breakGlassSeconds: request.breakGlassSeconds ?? 3_600,
    };
    const errors = this.#faultsOf(rules);
    if (errors.length > 0) throw RolloutFault.bad_policy({ errors });
    return rules;
  }

  #faultsOf(rules: PolicyRules): InputError[] {
    const errors: InputError[] = rules.gates.flatMap((gate, index) => {
      const said = this.#gateFault(gate, rules.gates.slice(0, index));
      return said === undefined ? [] : [{ path: `gates[${index}]`, message: said }];
    });
    if (leastPeople(rules.irreversibleQuorum) <= leastPeople(rules.quorum)) {
      errors.push({ path: 'irreversibleQuorum', message: 'must ask for more people than quorum' });
    }
    if (leastPeople(rules.rollbackQuorum) > leastPeople(rules.quorum)) {
      errors.push({ path: 'rollbackQuorum', message: 'must not ask for more people than quorum' });
    }
    for (const [index, [one, other]] of rules.separate.entries()) {
      if (one === other) errors.push({ path: `separate[${index}]`, message: 'must name two duties' });
    }
    return errors;
  }

  #gateFault(gate: GateRule, before: readonly GateRule[]): string | undefined {
    if (before.some(({ name }) => name === gate.name)) return 'must have a name of its own';
    switch (gate.kind) {
      case 'evidence':
        return gate.predicateType === undefined ? 'must say its predicateType' : undefined;
      case 'external':
        return gate.hookId === undefined ? 'must say its hookId' : undefined;
      case 'check': {
        const command = gate.command === undefined ? undefined : this.runner.command(gate.command);
        if (!command) return 'must say a command that exists';
        return command.effect === 'none' ? undefined : 'must name a command that changes nothing';
      }
      case 'manual':
      case 'posture':
      case 'rehearsal':
        return undefined;
    }
  }
}

const plain = (quorum: Quorum): Quorum => JSON.parse(JSON.stringify(quorum)) as Quorum;

const oneMore = ({ anyOf }: Quorum): Quorum => ({
  anyOf: anyOf.map(({ allOf }) => ({ allOf: [...allOf, { count: 1 }] })),
});

function gateOf(field: GateField): GateRule {
  const { dryRun, maxAgeSeconds, ...rest } = JSON.parse(JSON.stringify(field)) as GateField;
  return {
    ...(rest as Omit<GateRule, 'kind' | 'dryRun' | 'maxAgeSeconds'>),
    kind: rest.kind as GateKind,
    dryRun: dryRun ?? false,
    maxAgeSeconds: maxAgeSeconds ?? DAY,
  };
}

function policyView(row: PolicyRow): RolloutPolicyView {
  return {
    id: row.id,
    name: row.name,
    rules: row.rules,
    version: row.version,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}
