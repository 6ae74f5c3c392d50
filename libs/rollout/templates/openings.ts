import { Injectable } from '@nestjs/common';
import { rolePermissions } from '#auth';
import type { SystemTx } from '#database';
import { readInput } from '#http';
import { fitsAny, type Prompt } from '#intake';
import { Fault, isId } from '#kernel';
import { type By, Moves } from '../lifecycle/moves.ts';
import { PlanRequest } from '../planning/plan.contract.ts';
import { Planning } from '../planning/planning.ts';
import { lockRollout, type RolloutRow } from '../lifecycle/rollout.store.ts';
import { readStanding } from '../signoff/person.store.ts';
import { nameOf } from '../sources/source-standing.ts';
import { withCommit } from './template-plan.ts';
import { findDraft, openRollout, type OpeningTemplate, templatesFor } from './template.store.ts';

type RefPrompt = Prompt & { readonly ref: string };

interface After {
  readonly superseded: readonly RolloutRow[];
  /** Templates that may open; all where unsaid. */
  readonly only?: readonly string[];
}

/**
 * Opens rollouts by templates where Gitea prompts it. What it makes is a draft, sealed where the template says so and
 * it can be: to review and to sign it are for people. It is a change of the hook's creator and of the template's.
 */
@Injectable()
export class Openings {
  constructor(
    private readonly moves: Moves,
    private readonly planning: Planning,
  ) {}

  /** The rollouts that were opened or sealed. */
  async open(tx: SystemTx, prompt: RefPrompt, { superseded, only }: After): Promise<string[]> {
    const repository = nameOf(prompt.repository);
    const templates = await templatesFor(tx, { ...prompt, repository });
    const found: string[] = [];
    for (const template of templates) {
      if (!fitsAny([template.ref], prompt.ref)) continue;
      const before = superseded.find(({ template_id: id }) => id === template.id);
      const draft = await findDraft(tx, template, prompt);
      if (draft === undefined && only && !only.includes(template.id)) continue;
      const id = draft ?? (await this.#open(tx, prompt, template, before?.id));
      if (id === undefined) continue;
      const sealed = template.seals && (await this.#seal(tx, prompt, template, id));
      if (draft === undefined || sealed) found.push(id);
    }
    return found;
  }

  async #open(
    tx: SystemTx,
    prompt: RefPrompt,
    template: OpeningTemplate,
    supersedes: string | undefined,
  ): Promise<string | undefined> {
    if (!(await mayPlan(tx, template))) {
      await this.#keptBack(tx, prompt, template, 'responsible_person_gone');
      return undefined;
    }
    const { repository, ref, commit } = prompt;
    const title = `${template.name} ${commit.slice(0, 12)}`;
    const description = `${ref} of ${repository}`;
    const id = await openRollout(tx, template, { title, description, supersedes, repository, ref, commit });
    if (id === undefined) return undefined;
    await this.moves.note(tx, byUs(template), {
      action: 'rollout.created',
      target: { type: 'rollout', id },
      changes: {
        title: { to: title },
        policy: { to: template.policy_id },
        template: { to: template.id },
        source: { to: { giteaHookId: template.gitea_hook_id, repository, ref, commit } },
        ...(supersedes !== undefined && { supersedes: { to: supersedes } }),
      },
    });
    return id;
  }

  /** What keeps it from being sealed now is on record, and it stays a draft. */
  async #seal(tx: SystemTx, prompt: RefPrompt, template: OpeningTemplate, id: string): Promise<boolean> {
    const row = await lockRollout(tx, template.org_id, id);
    if (!row) return false;
    try {
      const request = readInput(PlanRequest, withCommit(template.plan, prompt.commit));
      await this.planning.seal(tx, byUs(template), row, { request, plannerId: template.created_by });
      return true;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      await this.#keptBack(tx, prompt, template, error.code, id);
      return false;
    }
  }

  async #keptBack(
    tx: SystemTx,
    { ref, commit }: RefPrompt,
    template: OpeningTemplate,
    reason: string,
    rollout?: string,
  ): Promise<void> {
    await this.moves.note(tx, byUs(template), {
      action: 'rollout_template.kept_back',
      target: { type: 'rollout_template', id: template.id },
      outcome: 'failure',
      reason,
      changes: {
        ref: { to: ref },
        commit: { to: commit },
        ...(rollout !== undefined && { rollout: { to: rollout } }),
      },
    });
  }
}

const byUs = ({ org_id: orgId }: OpeningTemplate): By => ({ system: 'rollout', orgId });

/** Both who answer for it must still be people who may write rollouts. */
async function mayPlan(tx: SystemTx, { org_id: orgId, responsible, created_by: writer }: OpeningTemplate) {
  const ids = [...new Set([responsible, writer])];
  if (!ids.every(isId)) return false;
  const accounts = await readStanding(tx, orgId, ids);
  const able = accounts.filter(
    ({ active, built_in: builtIn, permissions, org_kind: kind }) =>
      active && rolePermissions({ builtIn, permissions }, kind).has('rollout:plan'),
  );
  return able.length === ids.length;
}
