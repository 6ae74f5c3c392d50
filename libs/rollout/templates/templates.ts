import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { Database } from '#database';
import { readInput } from '#http';
import { isHookFor } from '#intake';
import { type Caller, type Page, pageOf, readPage } from '#kernel';
import { PlanRequest } from '../lifecycle/plan.contract.ts';
import { Planning } from '../lifecycle/planning.ts';
import { readPolicy } from '../policy/policy.store.ts';
import { RolloutFault } from '../rollout.faults.ts';
import { humanOf } from '../signoff/human.ts';
import { targetFaults } from '../targets/target.store.ts';
import type {
  RolloutTemplateDetailView,
  RolloutTemplateRequest,
  RolloutTemplateView,
} from './template.contract.ts';
import { withCommit } from './template-plan.ts';
import {
  deleteTemplate,
  insertTemplate,
  readTemplate,
  readTemplates,
  type TemplateRow,
} from './template.store.ts';

const REF = /^refs\/(?:heads|tags|pull)\/[^\s]{1,255}$/;

/** Plans that are kept for the commits that Gitea will tell of. */
@Injectable()
export class Templates {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly planning: Planning,
  ) {}

  async list(caller: Caller, query: { limit?: number; cursor?: string }): Promise<Page<RolloutTemplateView>> {
    const { limit, before } = readPage(query);
    const rows = await this.database.inOrg(caller, (tx) => readTemplates(tx, limit + 1, before));
    return pageOf(rows, limit, templateView);
  }

  async read(caller: Caller, id: string): Promise<RolloutTemplateDetailView> {
    const row = await this.database.inOrg(caller, (tx) => readTemplate(tx, id));
    if (!row) throw RolloutFault.template_not_found();
    return { ...templateView(row), plan: row.plan };
  }

  /** Faults: `rollout.hook_not_found`, `rollout.policy_not_found`, `rollout.bad_template`, `rollout.template_exists`, those of steps. */
  async create(caller: Caller, request: RolloutTemplateRequest): Promise<RolloutTemplateDetailView> {
    const author = humanOf(caller);
    const repository = request.repository.toLowerCase();
    const plan = JSON.parse(JSON.stringify(request.plan)) as object;
    return this.database.inOrg(caller, async (tx) => {
      if (!(await isHookFor(tx, request.giteaHookId, repository)))
        throw RolloutFault.hook_not_found({
          errors: [{ path: 'giteaHookId', message: 'must be a hook of Gitea for this repository' }],
        });
      if (!(await readPolicy(tx, tx.orgId, request.policyId)))
        throw RolloutFault.policy_not_found({
          errors: [{ path: 'policyId', message: 'must name a policy' }],
        });
      const errors = await targetFaults(tx, request.plan.targets, 'plan.targets');
      if (request.plan.source !== undefined)
        errors.push({ path: 'plan.source', message: 'is what Gitea says, once it prompts' });
      if (!REF.test(request.ref))
        errors.push({ path: 'ref', message: 'must begin with refs/heads/, refs/tags/ or refs/pull/' });
      if (errors.length > 0) throw RolloutFault.bad_template({ errors });
      this.planning.checkSteps(readInput(PlanRequest, withCommit(plan, '0'.repeat(40))));
      const row = await insertTemplate(tx, {
        name: request.name,
        gitea_hook_id: request.giteaHookId,
        repository,
        ref: request.ref,
        policy_id: request.policyId,
        plan,
        seals: request.seals ?? false,
        created_by: author,
      });
      if (!row) throw RolloutFault.template_exists();
      await this.audit.append(tx, caller, {
        action: 'rollout_template.created',
        target: { type: 'rollout_template', id: row.id },
        changes: {
          name: { to: row.name },
          hook: { to: row.gitea_hook_id },
          repository: { to: repository },
          ref: { to: row.ref },
          policy: { to: row.policy_id },
          seals: { to: row.seals },
        },
      });
      return { ...templateView(row), plan: row.plan };
    });
  }

  /** What it opened stays. */
  async remove(caller: Caller, id: string): Promise<void> {
    await this.database.inOrg(caller, async (tx) => {
      const name = await deleteTemplate(tx, id);
      if (name === undefined) throw RolloutFault.template_not_found();
      await this.audit.append(tx, caller, {
        action: 'rollout_template.deleted',
        target: { type: 'rollout_template', id },
        changes: { name: { from: name } },
      });
    });
  }
}

function templateView(row: TemplateRow): RolloutTemplateView {
  return {
    id: row.id,
    name: row.name,
    giteaHookId: row.gitea_hook_id,
    repository: row.repository,
    ref: row.ref,
    policyId: row.policy_id,
    seals: row.seals,
    createdBy: row.created_by,
    createdAt: row.created_at.toISOString(),
  };
}
