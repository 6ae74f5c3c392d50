import { newId, sha256 } from '#kernel';
import type { Query } from './sql.ts';

/** A row in every table of rollouts, each with the mark of its tenant; the ids by the names that paths give them. */
export async function seedRollouts(
  query: Query,
  { orgId, userId, giteaHookId, mark }: { orgId: string; userId: string; giteaHookId: string; mark: string },
): Promise<Record<string, string>> {
  const [policyId, targetId, rolloutId, hookId, evidenceKeyId] = [
    newId(),
    newId(),
    newId(),
    newId(),
    newId(),
  ];
  const [evidenceId, riskId, freezeId, breakGlassId] = [newId(), newId(), newId(), newId()];
  const templateId = newId();
  const insert = (table: string, row: Record<string, unknown>): Promise<unknown> => {
    const names = Object.keys(row);
    const places = names.map((_, index) => `$${index + 2}`);
    return query(`INSERT INTO ${table} (org_id, ${names.join(', ')}) VALUES ($1, ${places.join(', ')})`, [
      orgId,
      ...Object.values(row),
    ]);
  };
  const now = new Date();
  const rules = rulesOf(mark);
  await insert('rollout_policies', { id: policyId, name: mark, rules: JSON.stringify(rules) });
  await insert('rollout_targets', { id: targetId, name: mark, kind: 'host', environment: mark });
  await insert('rollout_templates', {
    id: templateId,
    name: mark,
    gitea_hook_id: giteaHookId,
    repository: mark,
    ref: mark,
    policy_id: policyId,
    plan: JSON.stringify({ mark }),
    seals: false,
    created_by: userId,
  });
  await insert('rollouts', {
    id: rolloutId,
    title: mark,
    state: 'planned',
    author_id: userId,
    policy_id: policyId,
    plan: JSON.stringify(planOf(targetId, policyId, rules, mark)),
    digest: mark,
    recovery_digest: mark,
  });
  const of = { rollout_id: rolloutId };
  await insert('rollout_moves', {
    id: newId(),
    ...of,
    move: 'plan',
    from_state: 'draft',
    to_state: 'planned',
    reason: mark,
    actor_type: 'user',
    actor_id: userId,
  });
  await insert('rollout_sign_offs', {
    id: newId(),
    ...of,
    purpose: 'change',
    digest: mark,
    decision: 'approve',
    user_id: userId,
    session_id: newId(),
    comment: mark,
    at: now,
  });
  await insert('rollout_persons', { user_id: userId, same_as: newId() });
  await insert('rollout_steps', {
    ...of,
    phase: 'apply',
    unit: 0,
    wave: 0,
    name: mark,
    command: 'noop.record',
    state: 'succeeded',
    key: mark,
    run_token: newId(),
    intended_at: now,
  });
  await insert('rollout_hooks', { id: hookId, name: mark, wrapped_secret: mark });
  await insert('rollout_gate_results', {
    id: newId(),
    ...of,
    gate: mark,
    digest: mark,
    verdict: 'pass',
    source: 'manual',
    recorded_by: `user:${userId}`,
    observed_at: now,
  });
  await insert('rollout_break_glass', {
    id: breakGlassId,
    ...of,
    digest: mark,
    opened_by: userId,
    justification: mark,
    incident: mark,
    needed: true,
    opened_at: now,
    ends_at: now,
    review_due_at: now,
  });
  await insert('evidence_keys', {
    id: evidenceKeyId,
    name: mark,
    keyid: mark,
    algorithm: 'ed25519',
    public_key: mark,
    owner_id: userId,
  });
  await insert('evidence', {
    id: evidenceId,
    predicate_type: mark,
    subjects: [mark],
    result: 'pass',
    producer_id: userId,
    key_id: evidenceKeyId,
    envelope: JSON.stringify({ mark }),
    digest: mark,
    observed_at: now,
  });
  const digest = sha256(mark).toString('hex');
  await insert('evidence_attachments', {
    sha256: digest,
    media_type: 'text/plain',
    content: Buffer.from(mark),
  });
  await insert('risks', {
    id: riskId,
    ...of,
    statement: mark,
    likelihood_before: 1,
    consequence_before: 1,
    likelihood: 1,
    consequence: 1,
    level: 'low',
    treatment: 'accept',
    rationale: mark,
    raised_by: userId,
  });
  await insert('freezes', {
    id: freezeId,
    name: mark,
    start: '20260101T000000',
    time_zone: 'UTC',
    duration_seconds: 60,
  });
  await insert('freeze_exceptions', {
    id: newId(),
    freeze_id: freezeId,
    ...of,
    digest: mark,
    reason: mark,
    asked_by: userId,
    expires_at: now,
  });
  const ids = { policyId, targetId, rolloutId, hookId, evidenceKeyId, evidenceId, riskId, freezeId };
  return { ...ids, breakGlassId, templateId, sha256: digest };
}

function rulesOf(mark: string): object {
  const one = { anyOf: [{ allOf: [{ count: 1 }] }] };
  return {
    quorum: one,
    irreversibleQuorum: one,
    rollbackQuorum: one,
    freezeQuorum: one,
    consensus: false,
    denials: 1,
    separate: [],
    gates: [{ name: mark, kind: 'manual', dryRun: true, maxAgeSeconds: 60 }],
    reviewSeconds: 60,
    approvalSeconds: 60,
    backupSeconds: 60,
    breakGlassSeconds: 60,
  };
}

function planOf(targetId: string, policyId: string, rules: object, mark: string): object {
  const step = {
    name: mark,
    command: 'noop.record',
    version: '1',
    arguments: {},
    effect: 'none',
    idempotent: true,
    irreversible: false,
  };
  return {
    environment: mark,
    targets: [{ id: targetId, state: mark, version: null }],
    steps: [step],
    artifacts: [],
    secrets: [],
    waves: [{ targets: [targetId], bakeSeconds: 0, checks: [], failureLimit: 0 }],
    recovery: { kind: 'rollback', steps: [step], windowSeconds: 0 },
    policy: { id: policyId, rules },
  };
}
