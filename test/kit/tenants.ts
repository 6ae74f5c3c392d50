import { type Caller, newId } from '#kernel';
import { seedHook } from './gitea-rows.ts';
import { seedRollouts } from './rollout-rows.ts';
import { appendRecord, asRole } from './sql.ts';
import { seedSecret, seedEvent, seedCapability, seedSurface } from './tenant-rows.ts';

/** One organization with at least one row in every table that holds rows of organizations. */
export interface SeededTenant {
  readonly orgId: string;
  readonly userId: string;
  readonly roleId: string;
  readonly sessionId: string;
  readonly serviceAccountId: string;
  readonly apiKeyId: string;
  readonly invitationId: string;
  readonly deviceId: string;
  readonly secretId: string;
  readonly sinkId: string;
  readonly giteaHookId: string;
  readonly factorId: string;
  readonly erasureId: string;
  readonly eventId: string;
  readonly capabilityId: string;
  readonly surfaceId: string;
  readonly authorityId: string;
  /** Ids of what belongs to rollouts, by the names that paths give them. */
  readonly rollouts: Readonly<Record<string, string>>;
  /** Stands in every text of this tenant's rows. */
  readonly mark: string;
}

/** Makes a tenant by SQL alone, as the superuser, with the audit record that the database asks even of them. */
export async function seedTenant(adminUrl: string): Promise<SeededTenant> {
  const [orgId, userId, roleId, sessionId] = [newId(), newId(), newId(), newId()];
  const [serviceAccountId, apiKeyId, invitationId] = [newId(), newId(), newId()];
  const [secretId, sinkId, giteaHookId, capabilityId] = [newId(), newId(), newId(), newId()];
  const [deviceId, factorId, erasureId, eventId] = [newId(), newId(), newId(), newId()];
  const [surfaceId, authorityId] = [newId(), newId()];
  const mark = `mark-${newId()}`;
  let rollouts: Record<string, string> = {};
  await asRole(adminUrl, async (query) => {
    await query('BEGIN');
    await appendRecord(query, orgId);
    await query(`INSERT INTO organizations (id, slug, name, kind) VALUES ($1, $2, $2, 'tenant')`, [
      orgId,
      mark,
    ]);
    await query('INSERT INTO users (id, email, name) VALUES ($1, $2, $3)', [
      userId,
      `${mark}@x.example`,
      mark,
    ]);
    await query('INSERT INTO passwords (user_id, hash) VALUES ($1, $2)', [userId, mark]);
    await query(
      `INSERT INTO password_resets (id, digest, user_id, expires_at)
       VALUES (gen_random_uuid(), $2, $1, now() + interval '1 hour')`,
      [userId, mark],
    );
    await query(
      `INSERT INTO devices (id, user_id, digest, likeness, expires_at)
       VALUES ($1, $2, $3, $3, now() + interval '1 hour')`,
      [deviceId, userId, mark],
    );
    await query(
      `INSERT INTO factors (id, user_id, kind, name, wrapped_secret, last_step)
       VALUES ($1, $2, 'totp', $3, $3, 0)`,
      [factorId, userId, mark],
    );
    await query('INSERT INTO recovery_codes (id, user_id, digest) VALUES (gen_random_uuid(), $1, $2)', [
      userId,
      mark,
    ]);
    await query('INSERT INTO roles (org_id, id, name, permissions) VALUES ($1, $2, $3, $4)', [
      orgId,
      roleId,
      mark,
      [],
    ]);
    await query('INSERT INTO memberships (org_id, user_id, role_id) VALUES ($1, $2, $3)', [
      orgId,
      userId,
      roleId,
    ]);
    await query(
      `INSERT INTO sessions (org_id, id, user_id, expires_at, idle_seconds, auth_methods, assurance, user_agent)
       VALUES ($1, $2, $3, now() + interval '1 hour', 3600, '{pwd}', 'aal1', $4)`,
      [orgId, sessionId, userId, mark],
    );
    await query('INSERT INTO session_activity (org_id, session_id, last_seen_at) VALUES ($1, $2, now())', [
      orgId,
      sessionId,
    ]);
    await query(
      `INSERT INTO refresh_tokens (org_id, id, session_id, digest, expires_at)
       SELECT $1, gen_random_uuid(), $2, $3 || n, now() + interval '1 hour' FROM generate_series(1, 3) AS n`,
      [orgId, sessionId, mark],
    );
    await query(
      `INSERT INTO invitations (org_id, id, email, role_id, digest, invited_by, expires_at)
       VALUES ($1, $2, $3, $4, $5, $6, now() + interval '1 hour')`,
      [orgId, invitationId, `${mark}@y.example`, roleId, mark, userId],
    );
    await query('INSERT INTO service_accounts (org_id, id, name, owner_id) VALUES ($1, $2, $3, $4)', [
      orgId,
      serviceAccountId,
      mark,
      userId,
    ]);
    await query(
      `INSERT INTO api_keys (org_id, id, name, service_account_id, owner_id, digest, permissions)
       VALUES ($1, $2, $3, $4, $5, $3, '{}')`,
      [orgId, apiKeyId, mark, serviceAccountId, userId],
    );
    await query(
      `INSERT INTO api_key_activity (org_id, api_key_id, last_used_at, last_used_ip) VALUES ($1, $2, now(), $3)`,
      [orgId, apiKeyId, mark],
    );
    await query('INSERT INTO org_policies (org_id, settings) VALUES ($1, $2)', [orgId, { mark }]);
    const zeros = `decode(repeat('00', 32), 'hex')`;
    await query(
      `INSERT INTO audit_tiles (org_id, level, index, root, nodes)
       VALUES ($1, 0, 0, ${zeros}, decode(repeat('00', 16320), 'hex'))`,
      [orgId],
    );
    await query(`INSERT INTO audit_checkpoints (org_id, size, root, note) VALUES ($1, 0, ${zeros}, $2)`, [
      orgId,
      mark,
    ]);
    await query(`INSERT INTO audit_findings (org_id, id, kind, pos, detail) VALUES ($1, $2, 'fork', 1, $3)`, [
      orgId,
      newId(),
      { mark },
    ]);
    await query(
      `INSERT INTO audit_sinks (org_id, id, name, kind, settings, format, created_by)
       VALUES ($1, $2, $3, 'syslog', $4, 'native', $3)`,
      [orgId, sinkId, mark, { host: mark }],
    );
    await query('INSERT INTO audit_sink_state (org_id, sink_id, log_org_id) VALUES ($1, $2, $1)', [
      orgId,
      sinkId,
    ]);
    await query(
      `INSERT INTO audit_sink_dead (org_id, sink_id, log_org_id, from_pos, to_pos, code) VALUES ($1, $2, $1, 1, 1, $3)`,
      [orgId, sinkId, mark],
    );
    await seedSecret(query, orgId, secretId, mark);
    await seedHook(query, orgId, giteaHookId, mark);
    rollouts = await seedRollouts(query, { orgId, userId, giteaHookId, mark });
    await query('INSERT INTO audit_holds (org_id, reason, placed_by) VALUES ($1, $2, $3)', [
      orgId,
      mark,
      userId,
    ]);
    await query('INSERT INTO audit_retention (org_id, retention_days) VALUES ($1, 30)', [orgId]);
    await query(
      'INSERT INTO audit_prunings (org_id, up_to, record_id, retention_days) VALUES ($1, 1, gen_random_uuid(), 30)',
      [orgId],
    );
    await query(
      'INSERT INTO audit_erasures (org_id, id, user_id, requested_by, up_to) VALUES ($1, $3, $2, $2, 1)',
      [orgId, userId, erasureId],
    );
    await query(
      `INSERT INTO audit_search (org_id, pos, time, actor, action, target, request, outcome)
       VALUES ($1, 1, now(), 1, 1, 1, 1, 's')`,
      [orgId],
    );
    await query(
      `INSERT INTO audit_forks (org_id, id, old_size, old_root, new_size, new_root, note)
       VALUES ($1, gen_random_uuid(), 2, ${zeros}, 1, ${zeros}, $2)`,
      [orgId, mark],
    );
    await seedEvent(query, orgId, eventId, mark);
    await seedCapability(query, orgId, capabilityId, mark);
    await seedSurface(query, { orgId, surfaceId, authorityId, serviceAccountId, mark });
    await query('COMMIT');
  });
  return {
    orgId,
    userId,
    roleId,
    sessionId,
    serviceAccountId,
    apiKeyId,
    invitationId,
    deviceId,
    factorId,
    secretId,
    sinkId,
    giteaHookId,
    erasureId,
    eventId,
    capabilityId,
    surfaceId,
    authorityId,
    rollouts,
    mark,
  };
}

/** A caller with the tenant's session; `permissions` are nobody's business below the guard. */
export function callerIn({ orgId, userId, sessionId, mark }: SeededTenant): Caller {
  const org = { id: orgId, slug: mark, name: mark, kind: 'tenant', status: 'active', createdAt: '' } as const;
  const request = { id: newId(), method: '-', route: '-' };
  return { kind: 'user', id: userId, userId, sessionId, org, permissions: new Set(), assured: true, request };
}
