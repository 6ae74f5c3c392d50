import { newId } from '#kernel';
import type { Query } from './sql.ts';

/** A secret that no key opens. */
export async function seedSecret(query: Query, orgId: string, secretId: string, mark: string): Promise<void> {
  const keyId = newId();
  await query('INSERT INTO org_keys (org_id, id, wrapped_key) VALUES ($1, $2, $3)', [orgId, keyId, mark]);
  await query('INSERT INTO secrets (org_id, id, path) VALUES ($1, $2, $3)', [orgId, secretId, mark]);
  await query(
    `INSERT INTO secret_versions (org_id, secret_id, version, key_id, ciphertext, fields)
     VALUES ($1, $2, 1, $3, '\\x00', ARRAY[$4])`,
    [orgId, secretId, keyId, mark],
  );
  await query(
    `INSERT INTO secret_digests (org_id, secret_id, version, field, path, digest) VALUES ($1, $2, 1, 'f', $3, $3)`,
    [orgId, secretId, mark],
  );
  await query('INSERT INTO vault_secrets (org_id, id, path) VALUES ($1, $2, $3)', [orgId, secretId, mark]);
  await query(
    `INSERT INTO vault_changes (org_id, id, secret_id, path, kind, intent) VALUES ($1, $2, $3, $4, 'written', $5)`,
    [orgId, newId(), secretId, mark, { mark }],
  );
  await query(
    `INSERT INTO secret_rotations (org_id, secret_id, field, length, alphabet, overlap_seconds)
     VALUES ($1, $2, $3, 40, 'hex', 0)`,
    [orgId, secretId, mark],
  );
  await query(
    `INSERT INTO secret_rotation_runs (org_id, id, secret_id, state, ended_at, failure)
     VALUES ($1, $2, $3, 'failed', now(), $4)`,
    [orgId, newId(), secretId, mark],
  );
  await query(
    `INSERT INTO secret_uses (org_id, id, secret_id, version, kind, used_by, request_id)
     VALUES ($1, $2, $3, 1, 'revealed', $4, $4)`,
    [orgId, newId(), secretId, mark],
  );
}

/** An event that one destination has, and another refused. */
export async function seedEvent(query: Query, orgId: string, eventId: string, mark: string): Promise<void> {
  const body = {
    specversion: '1.0',
    id: eventId,
    source: `/orgs/${orgId}`,
    type: mark,
    subject: mark,
    time: new Date().toISOString(),
    datacontenttype: 'application/json',
    partitionkey: orgId,
    data: { mark },
  };
  await query('INSERT INTO events (org_id, id, type, body) VALUES ($1, $2, $3, $4)', [
    orgId,
    eventId,
    mark,
    JSON.stringify(body),
  ]);
  await query(
    `INSERT INTO event_lanes (org_id, destination, last_error, last_error_at) VALUES ($1, 'nats', $2, now())`,
    [orgId, mark],
  );
  await query(
    `INSERT INTO event_publications
       (org_id, pos, destination, attempt, event_id, stream, sequence, duplicate, payload_sha256, fence)
     VALUES ($1, 1, 'nats', 1, $2, $3, 1, false, decode(repeat('00', 32), 'hex'), 1)`,
    [orgId, eventId, mark],
  );
  await query(
    `INSERT INTO event_dead_letters (org_id, destination, pos, event_id, code) VALUES ($1, 'nats', 1, $2, $3)`,
    [orgId, eventId, mark],
  );
}

export async function seedCapability(query: Query, orgId: string, id: string, mark: string): Promise<void> {
  const lists = { provides: [], requires: [], permissions: [], tools: [mark], commands: [] };
  const manifest = { name: mark, version: '1.0.0', product: mark, owner: mark, ...lists };
  await query(
    `INSERT INTO capabilities (org_id, id, name, version, product, state, manifest, digest)
     VALUES ($1, $2, $3, '1.0.0', $3, 'active', $4, decode(repeat('00', 32), 'hex'))`,
    [orgId, id, mark, manifest],
  );
  await query(
    `INSERT INTO capability_steps (org_id, id, capability_id, action, to_state, actor_type, actor_id, reason)
     VALUES ($1, $2, $3, 'propose', 'proposed', 'user', $4, $4)`,
    [orgId, newId(), id, mark],
  );
}

/** A surface of which one fact was told. */
export async function seedSurface(
  query: Query,
  of: { orgId: string; surfaceId: string; authorityId: string; serviceAccountId: string; mark: string },
): Promise<void> {
  const { orgId, surfaceId, authorityId, serviceAccountId, mark } = of;
  const factId = newId();
  await query(
    `INSERT INTO surfaces (org_id, id, key, name, auth_mode, onboarding_status, session_handoff, admin_posture)
     VALUES ($1, $2, $3, $3, 'oidc', 'onboarded', 'oidc_interactive', 'none')`,
    [orgId, surfaceId, mark],
  );
  await query(
    `INSERT INTO fact_authorities (org_id, id, kind, name, service_account_id) VALUES ($1, $2, 'auth', $3, $4)`,
    [orgId, authorityId, mark, serviceAccountId],
  );
  await query(
    `INSERT INTO surface_facts (org_id, id, surface_id, kind, authority_id, revision, generation, observed_at,
                                received_at, ttl_seconds, data, digest)
     VALUES ($1, $2, $3, 'auth', $4, 1, 1, now(), now(), 60, jsonb_build_object('tenant', $5::text), $5)`,
    [orgId, factId, surfaceId, authorityId, mark],
  );
  await query(`INSERT INTO current_facts (org_id, surface_id, kind, fact_id) VALUES ($1, $2, 'auth', $3)`, [
    orgId,
    surfaceId,
    factId,
  ]);
  const value = { stale: false };
  const values = { authMode: value, onboardingStatus: value, sessionHandoff: value, adminPosture: value };
  const desired = { authMode: mark, onboardingStatus: mark, sessionHandoff: mark, adminPosture: mark };
  const snapshot = {
    verdict: 'blocked',
    reasons: [],
    generation: 1,
    desired,
    effective: values,
    conditions: [],
  };
  await query('INSERT INTO projection_states (org_id, surface_id, snapshot) VALUES ($1, $2, $3)', [
    orgId,
    surfaceId,
    JSON.stringify(snapshot),
  ]);
  await query(
    `INSERT INTO projection_transitions (org_id, id, surface_id, at, cause, snapshot)
     VALUES ($1, $2, $3, now(), '{"type":"surface"}', $4)`,
    [orgId, newId(), surfaceId, JSON.stringify(snapshot)],
  );
}
