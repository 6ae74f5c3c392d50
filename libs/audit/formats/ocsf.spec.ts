import { describe, expect, it } from 'vitest';
import { newId } from '#kernel';
import type { AuditAction } from '../catalogue/actions.ts';
import { type AuditEntry, sealEvent } from '../audit-event.ts';
import { readEvent } from './event.ts';
import { ocsfLine } from './ocsf.ts';

const person = newId();
const session = newId();
const roleId = newId();

const entryOf = (action: AuditAction): AuditEntry => ({
  orgId: newId(),
  actor: { type: 'user', id: person, sessionId: session },
  action,
  target: action.startsWith('role.') ? { type: 'role', id: roleId } : { type: 'user', id: person },
  outcome: 'success',
  request: { id: newId(), method: 'POST', route: '/api/v1/x' },
});

interface Ocsf {
  readonly class_uid: number;
}

function eventOf(entry: AuditEntry): Ocsf {
  const sealed = sealEvent(entry, new Date('2026-11-22T03:04:05.678Z'));
  const row = { ...sealed, pos: '17', leaf_hash: '0'.repeat(64), prev_hash: '0'.repeat(64) };
  return JSON.parse(ocsfLine(readEvent(row))) as Ocsf;
}

describe('the mapping to OCSF', () => {
  it('tells of a role as a group of privileges: given, taken, or both', () => {
    const changed = (from: string[], to: string[]): Ocsf =>
      eventOf({
        ...entryOf('role.updated'),
        changes: { permissions: { from, to } },
      });
    const role = roleId;
    expect(changed(['org:read'], ['org:read', 'member:read'])).toMatchObject({
      class_uid: 3006,
      activity_id: 1,
      privileges: ['member:read'],
      group: { uid: role, type: 'role', privileges: ['org:read', 'member:read'] },
    });
    expect(changed(['org:read', 'member:read'], ['org:read'])).toMatchObject({
      activity_id: 2,
      privileges: ['member:read'],
    });
    expect(changed(['org:read'], ['member:read'])).toMatchObject({
      activity_id: 99,
      activity_name: 'Update',
      privileges: ['member:read'],
    });
    expect(changed(['org:read'], ['org:read'])).toMatchObject({ activity_id: 99 });
    const created = { ...entryOf('role.created'), changes: { name: { to: 'Night watch' } } };
    expect(eventOf(created)).toMatchObject({ activity_id: 6, group: { uid: role, name: 'Night watch' } });
    expect(eventOf(entryOf('role.deleted'))).toMatchObject({ activity_id: 5, group: { uid: role } });
  });

  it('tells of a session that got more than it had as authorized, and of a refusal as authentication', () => {
    const of = (action: AuditAction) => {
      const entry = { ...entryOf(action), changes: { session: { to: session } } };
      return { ...eventOf(entry), org: entry.orgId };
    };
    const switched = of('auth.switched');
    expect(switched).toMatchObject({
      class_uid: 3003,
      activity_id: 2,
      user: { uid: person },
      session: { uid: session },
      group: { uid: switched.org },
    });
    expect(of('auth.stepped_up')).toMatchObject({
      class_uid: 3003,
      activity_id: 1,
      session: { uid: session },
      privileges: ['fresh_proof'],
    });
    for (const refused of ['auth.switch_refused', 'auth.step_up_refused'] as const)
      expect(of(refused).class_uid).toBe(3002);
  });
});
