import { newId } from '#kernel';
import type { Query } from './tenants.ts';

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
