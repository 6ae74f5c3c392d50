import { confirmationFor, isIrreversible } from './plan.ts';
import type { RolloutDetailView, RolloutSourceView, RolloutView } from './rollout.contract.ts';
import { boundTo, type RolloutRow } from './rollout.store.ts';

export function rolloutView(row: RolloutRow): RolloutView {
  return {
    id: row.id,
    title: row.title,
    description: row.description,
    state: row.state,
    reason: row.reason,
    authorId: row.author_id,
    policyId: row.policy_id,
    plannerId: row.planner_id,
    templateId: row.template_id,
    source: sourceView(row),
    digest: row.digest,
    recoveryDigest: row.recovery_digest,
    executorId: row.executor_id,
    verifierId: row.verifier_id,
    supersedes: row.supersedes,
    begunAt: row.begun_at?.toISOString() ?? null,
    completedAt: row.completed_at?.toISOString() ?? null,
    expiresAt: row.expires_at?.toISOString() ?? null,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}

function sourceView(row: RolloutRow): RolloutSourceView | null {
  const source = boundTo(row);
  return source ? { ...source, goneAt: row.source_gone_at?.toISOString() ?? null } : null;
}

export function detailView(row: RolloutRow): RolloutDetailView {
  const irreversible = row.plan !== null && isIrreversible(row.plan);
  return {
    ...rolloutView(row),
    plan: row.plan,
    irreversible,
    confirmation: irreversible && row.digest !== null ? confirmationFor(row.title, row.digest) : null,
  };
}
