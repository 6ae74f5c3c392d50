import { newId } from '#kernel';
import type { SeededTenant } from './tenants.ts';

export type Edit = readonly [role: 'app' | 'system', sql: string, values: () => unknown[]];

const session = `INSERT INTO sessions (org_id, id, user_id, expires_at, idle_seconds, auth_methods, assurance)
  VALUES ($1, $2, $3, now() + interval '1 hour', 60, '{}', 'aal1')`;
const token = `INSERT INTO refresh_tokens (org_id, id, session_id, digest, expires_at)
  VALUES ($1, $2, $3, gen_random_uuid()::text, now() + interval '1 hour')`;
const person = `INSERT INTO users (id, email, name) VALUES ($1, $2, 'new')`;

/** A change of each kind, of each state table, by each role that may make it at all. */
export const editsOf = (
  tenants: () => { mine: SeededTenant; other: SeededTenant },
): Record<string, Edit> => ({
  'organizations, renamed': [
    'app',
    `UPDATE organizations SET name = 'x' WHERE id = $1`,
    () => [tenants().mine.orgId],
  ],
  'organizations, deleted': ['app', 'DELETE FROM organizations WHERE id = $1', () => [tenants().mine.orgId]],
  'organizations, suspended': [
    'system',
    `UPDATE organizations SET status = 'suspended' WHERE id = $1`,
    () => [tenants().mine.orgId],
  ],
  'users, inserted': ['system', person, () => [newId(), `${newId()}@x.example`]],
  'users, disabled': [
    'system',
    `UPDATE users SET status = 'disabled' WHERE id = $1`,
    () => [tenants().mine.userId],
  ],
  'users, deleted': ['system', 'DELETE FROM users WHERE id = $1', () => [tenants().mine.userId]],
  'passwords, set': [
    'system',
    `UPDATE passwords SET hash = 'x' WHERE user_id = $1`,
    () => [tenants().mine.userId],
  ],
  'passwords, deleted': ['system', 'DELETE FROM passwords WHERE user_id = $1', () => [tenants().mine.userId]],
  'password resets, inserted': [
    'system',
    `INSERT INTO password_resets (id, digest, user_id, expires_at) VALUES ($1::uuid, $1::text, $2, now())`,
    () => [newId(), tenants().mine.userId],
  ],
  'password resets, used': [
    'system',
    'UPDATE password_resets SET used_at = now() WHERE user_id = $1',
    () => [tenants().mine.userId],
  ],
  'password resets, deleted': [
    'system',
    'DELETE FROM password_resets WHERE user_id = $1',
    () => [tenants().mine.userId],
  ],
  'roles, inserted': [
    'app',
    `INSERT INTO roles (org_id, id, name) VALUES ($1, $2, 'new')`,
    () => [tenants().mine.orgId, newId()],
  ],
  'roles, widened': [
    'app',
    `UPDATE roles SET permissions = '{org:read}' WHERE id = $1`,
    () => [tenants().mine.roleId],
  ],
  'roles, deleted': [
    'system',
    `WITH gone AS (DELETE FROM memberships WHERE role_id = $1) DELETE FROM roles WHERE id = $1`,
    () => [tenants().mine.roleId],
  ],
  'memberships, inserted': [
    'app',
    'INSERT INTO memberships (org_id, user_id, role_id) VALUES ($1, $2, $3)',
    () => [tenants().mine.orgId, tenants().other.userId, tenants().mine.roleId],
  ],
  'memberships, disabled': [
    'app',
    `UPDATE memberships SET status = 'disabled' WHERE user_id = $1`,
    () => [tenants().mine.userId],
  ],
  'memberships, deleted': [
    'app',
    'DELETE FROM memberships WHERE user_id = $1',
    () => [tenants().mine.userId],
  ],
  'sessions, inserted': ['system', session, () => [tenants().mine.orgId, newId(), tenants().mine.userId]],
  'sessions, revoked': [
    'app',
    `UPDATE sessions SET revoked_at = now(), revoked_reason = 'x' WHERE id = $1`,
    () => [tenants().mine.sessionId],
  ],
  'sessions, deleted': ['system', 'DELETE FROM sessions WHERE id = $1', () => [tenants().mine.sessionId]],
  'refresh tokens, inserted': [
    'system',
    token,
    () => [tenants().mine.orgId, newId(), tenants().mine.sessionId],
  ],
  'refresh tokens, used in bulk': [
    'system',
    'UPDATE refresh_tokens SET used_at = now() WHERE session_id = $1',
    () => [tenants().mine.sessionId],
  ],
  'refresh tokens, deleted in bulk': [
    'system',
    'DELETE FROM refresh_tokens WHERE session_id = $1',
    () => [tenants().mine.sessionId],
  ],
  'invitations, inserted': [
    'app',
    `INSERT INTO invitations (org_id, id, email, role_id, digest, invited_by, expires_at)
     VALUES ($1, $2, 'new@x.example', $3, gen_random_uuid()::text, gen_random_uuid(), now())`,
    () => [tenants().mine.orgId, newId(), tenants().mine.roleId],
  ],
  'invitations, accepted': [
    'system',
    'UPDATE invitations SET accepted_at = now() WHERE id = $1',
    () => [tenants().mine.invitationId],
  ],
  'invitations, deleted': [
    'app',
    'DELETE FROM invitations WHERE id = $1',
    () => [tenants().mine.invitationId],
  ],
  'service accounts, inserted': [
    'app',
    `INSERT INTO service_accounts (org_id, id, name, owner_id) VALUES ($1, $2, 'new', $3)`,
    () => [tenants().mine.orgId, newId(), tenants().mine.userId],
  ],
  'service accounts, changed': [
    'app',
    `UPDATE service_accounts SET description = 'x' WHERE id = $1`,
    () => [tenants().mine.serviceAccountId],
  ],
  'service accounts, deleted': [
    'app',
    'DELETE FROM service_accounts WHERE id = $1',
    () => [tenants().mine.serviceAccountId],
  ],
  'API keys, inserted': [
    'app',
    `INSERT INTO api_keys (org_id, id, name, owner_id, digest, permissions) VALUES ($1, $2, 'new', $3, 'x', '{}')`,
    () => [tenants().mine.orgId, newId(), tenants().mine.userId],
  ],
  'API keys, widened': [
    'app',
    `UPDATE api_keys SET permissions = '{org:read}' WHERE id = $1`,
    () => [tenants().mine.apiKeyId],
  ],
  'API keys, deleted': ['app', 'DELETE FROM api_keys WHERE id = $1', () => [tenants().mine.apiKeyId]],
  'capabilities, inserted': [
    'app',
    `INSERT INTO capabilities (org_id, id, name, version, product, manifest, digest)
     VALUES ($1, $2, 'new', '1.0.0', 'new', '{}', decode(repeat('00', 32), 'hex'))`,
    () => [tenants().mine.orgId, newId()],
  ],
  'capabilities, quarantined': [
    'app',
    `UPDATE capabilities SET state = 'quarantined' WHERE id = $1`,
    () => [tenants().mine.capabilityId],
  ],
  'steps of capabilities, inserted': [
    'app',
    `INSERT INTO capability_steps (org_id, id, capability_id, action, to_state, actor_type, actor_id)
     VALUES ($1, $2, $3, 'admit', 'admitted', 'user', 'x')`,
    () => [tenants().mine.orgId, newId(), tenants().mine.capabilityId],
  ],
  'surfaces, inserted': [
    'app',
    `INSERT INTO surfaces (org_id, id, key, name, auth_mode, onboarding_status, session_handoff, admin_posture)
     VALUES ($1, $2, 'new', 'new', 'none', 'planned', 'none', 'none')`,
    () => [tenants().mine.orgId, newId()],
  ],
  'surfaces, desired otherwise': [
    'app',
    `UPDATE surfaces SET admin_posture = 'superadmin' WHERE id = $1`,
    () => [tenants().mine.surfaceId],
  ],
  'surfaces, deleted': ['app', 'DELETE FROM surfaces WHERE id = $1', () => [tenants().mine.surfaceId]],
  'fact authorities, named': [
    'app',
    `INSERT INTO fact_authorities (org_id, id, kind, name, service_account_id) VALUES ($1, $2, 'rights', 'new', $3)`,
    () => [tenants().mine.orgId, newId(), tenants().mine.serviceAccountId],
  ],
  'fact authorities, ended': [
    'app',
    'UPDATE fact_authorities SET ended_at = now() WHERE id = $1',
    () => [tenants().mine.authorityId],
  ],
  'surface facts, told': [
    'app',
    `INSERT INTO surface_facts (org_id, id, surface_id, kind, authority_id, revision, generation, observed_at,
                                received_at, ttl_seconds, data, digest)
     VALUES ($1, $2, $3, 'auth', $4, 2, 1, now(), now(), 60, '{}', 'x')`,
    () => [tenants().mine.orgId, newId(), tenants().mine.surfaceId, tenants().mine.authorityId],
  ],
  'current facts, in conflict no more': [
    'app',
    'UPDATE current_facts SET in_conflict = NOT in_conflict WHERE surface_id = $1',
    () => [tenants().mine.surfaceId],
  ],
  'projection states, changed': [
    'system',
    `UPDATE projection_states SET snapshot = '{}' WHERE surface_id = $1`,
    () => [tenants().mine.surfaceId],
  ],
  'projection transitions, inserted': [
    'system',
    `INSERT INTO projection_transitions (org_id, id, surface_id, at, cause, snapshot)
     VALUES ($1, $2, $3, now(), '{}', '{}')`,
    () => [tenants().mine.orgId, newId(), tenants().mine.surfaceId],
  ],
  'the order to be read-only, given': [
    'system',
    `INSERT INTO read_only_order (reason, ordered_by) VALUES ('x', 'x')`,
    () => [],
  ],
  'hooks of Gitea, inserted': [
    'app',
    `INSERT INTO gitea_hooks (org_id, id, name, base_url, token_ref, secret_refs, repositories, branches, tags, opens,
                              created_by)
     VALUES ($1, $2, 'new', 'x', 'x', '{x}', '{x}', '{}', '{}', '{}', 'x')`,
    () => [tenants().mine.orgId, newId()],
  ],
  'hooks of Gitea, given another secret': [
    'app',
    `UPDATE gitea_hooks SET secret_refs = '{another}' WHERE id = $1`,
    () => [tenants().mine.giteaHookId],
  ],
  'hooks of Gitea, disabled': [
    'system',
    'UPDATE gitea_hooks SET enabled = false WHERE id = $1',
    () => [tenants().mine.giteaHookId],
  ],
  'hooks of Gitea, deleted': [
    'app',
    'DELETE FROM gitea_hooks WHERE id = $1',
    () => [tenants().mine.giteaHookId],
  ],
  'signing keys, inserted': [
    'system',
    `INSERT INTO signing_keys (kid, public_jwk, wrapped_private, state, signs_until) VALUES ($1, '{}', 'x', 'retiring', now())`,
    () => [newId()],
  ],
  'audit keys, inserted': [
    'system',
    `INSERT INTO audit_keys (name, id, public_key) VALUES ($1, '00000000', decode(repeat('00', 32), 'hex'))`,
    () => [newId()],
  ],
  'rollouts, taken into another state': [
    'app',
    `UPDATE rollouts SET state = 'approved' WHERE id = $1`,
    () => [tenants().mine.rollouts['rolloutId']],
  ],
  'rollouts, opened by a template': [
    'system',
    `INSERT INTO rollouts (org_id, id, title, author_id, policy_id) VALUES ($1, $2, 'new', $2, $3)`,
    () => [tenants().mine.orgId, newId(), tenants().mine.rollouts['policyId']],
  ],
  'rollouts, whose commit is gone': [
    'system',
    'UPDATE rollouts SET source_gone_at = now() WHERE id = $1',
    () => [tenants().mine.rollouts['rolloutId']],
  ],
  'rollout templates, inserted': [
    'app',
    `INSERT INTO rollout_templates (org_id, id, name, gitea_hook_id, repository, ref, policy_id, plan, seals, created_by)
     VALUES ($1, $2, 'new', $3, 'x', 'x', $4, '{}', false, $2)`,
    () => [tenants().mine.orgId, newId(), tenants().mine.giteaHookId, tenants().mine.rollouts['policyId']],
  ],
  'rollout templates, deleted': [
    'app',
    'DELETE FROM rollout_templates WHERE id = $1',
    () => [tenants().mine.rollouts['templateId']],
  ],
  'evidence, of Gitea': [
    'system',
    `INSERT INTO evidence (org_id, id, predicate_type, subjects, result, producer, fact, key_id, envelope, digest, observed_at)
     VALUES ($1, $2, 'x', '{}', 'pass', 'gitea', 'x', $3, '{}', 'new', now())`,
    () => [tenants().mine.orgId, newId(), tenants().mine.rollouts['evidenceKeyId']],
  ],
  'rollouts, executed by a worker': [
    'system',
    `UPDATE rollouts SET state = 'executing' WHERE id = $1`,
    () => [tenants().mine.rollouts['rolloutId']],
  ],
  'rollout sign-offs, inserted': [
    'app',
    `INSERT INTO rollout_sign_offs (org_id, id, rollout_id, purpose, digest, decision, user_id, session_id, at)
     VALUES ($1, $2, $3, 'change', 'x', 'approve', $2, $2, now())`,
    () => [tenants().mine.orgId, newId(), tenants().mine.rollouts['rolloutId']],
  ],
  'rollout targets, released': [
    'system',
    'UPDATE rollout_targets SET locked_by = NULL WHERE id = $1',
    () => [tenants().mine.rollouts['targetId']],
  ],
  'rollout steps, ended': [
    'system',
    `UPDATE rollout_steps SET state = 'failed' WHERE rollout_id = $1`,
    () => [tenants().mine.rollouts['rolloutId']],
  ],
  'risks, accepted': [
    'app',
    'UPDATE risks SET accepted_by = $2, valid_until = now() WHERE id = $1',
    () => [tenants().mine.rollouts['riskId'], tenants().mine.userId],
  ],
  'freezes, deleted': [
    'app',
    'DELETE FROM freezes WHERE id = $1',
    () => [tenants().mine.rollouts['freezeId']],
  ],
  'evidence, inserted': [
    'app',
    `INSERT INTO evidence (org_id, id, predicate_type, subjects, result, producer_id, key_id, envelope, digest, observed_at)
     VALUES ($1, $2, 'x', '{}', 'pass', $2, $3, '{}', 'new', now())`,
    () => [tenants().mine.orgId, newId(), tenants().mine.rollouts['evidenceKeyId']],
  ],
  'audit findings, inserted': [
    'system',
    `INSERT INTO audit_findings (org_id, id, kind, pos, detail) VALUES ($1, $2, 'fork', 1, '{}')`,
    () => [tenants().mine.orgId, newId()],
  ],
});
