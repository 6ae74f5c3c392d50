import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Caller, canonicalJson, isId, type Json } from '#kernel';
import { actorOf, type AuditEntry, personal, sealEvent } from './audit-event.ts';

const time = new Date('2026-11-22T03:04:05.678Z');
const entry: AuditEntry = {
  orgId: '0190a6c4-0000-7000-8000-00000000000b',
  actor: { type: 'user', id: 'u-1', sessionId: 's-1', display: 'Ada Ångström' },
  action: 'member.added',
  target: { type: 'user', id: 'u-2', display: 'bob@example.org' },
  outcome: 'success',
  reason: 'because',
  request: { id: 'r-1', method: 'POST', route: '/api/v1/x', ip: '192.0.2.7', userAgent: 'agent/1' },
  changes: {
    role: { from: 'viewer', to: 'admin' },
    tags: ['a', 'b'],
    email: personal('bob@example.org'),
    name: { from: personal('Bob'), to: personal('Robert') },
    nested: { deep: { value: 1 } },
  },
};

interface Sealed {
  commitments: Record<string, string>;
  changes: Record<string, unknown>;
  [key: string]: unknown;
}

const read = (from: AuditEntry) => {
  const sealed = sealEvent(from, time);
  return {
    sealed,
    leaf: JSON.parse(sealed.leaf) as Sealed,
    values: JSON.parse(sealed.personal) as Record<string, { salt: string; value: string }>,
  };
};

describe('an audit event', () => {
  it('is canonical JSON of what the contract names, and of nothing else', () => {
    const { sealed, leaf } = read(entry);
    expect(sealed.leaf).toBe(canonicalJson(leaf as Json));
    const { id, commitments, ...rest } = leaf;
    expect(isId(id)).toBe(true);
    expect(id).toBe(sealed.id);
    expect(rest).toEqual({
      v: 1,
      org: entry.orgId,
      time: '2026-11-22T03:04:05.678Z',
      actor: { type: 'user', id: 'u-1', sessionId: 's-1' },
      action: 'member.added',
      target: { type: 'user', id: 'u-2' },
      outcome: 'success',
      reason: 'because',
      request: { id: 'r-1', method: 'POST', route: '/api/v1/x' },
      changes: {
        role: { from: 'viewer', to: 'admin' },
        tags: { to: ['a', 'b'] },
        email: {},
        name: {},
        nested: { to: { deep: { value: 1 } } },
      },
    });
    expect(Object.keys(commitments).sort()).toEqual([
      'actor.display',
      'changes.email.to',
      'changes.name.from',
      'changes.name.to',
      'request.ip',
      'request.userAgent',
      'target.display',
    ]);
  });

  it('commits to each personal value with a salt of its own', () => {
    const { leaf, values } = read(entry);
    expect(Object.keys(values).sort()).toEqual(Object.keys(leaf.commitments).sort());
    for (const [path, { salt, value }] of Object.entries(values)) {
      expect(salt).toMatch(/^[A-Za-z0-9_-]{22}$/);
      const commitment = createHash('sha256').update(Buffer.from(salt, 'base64url')).update(value, 'utf8');
      expect(leaf.commitments[path]).toBe(commitment.digest('hex'));
    }
    expect(values['target.display']?.value).toBe('bob@example.org');
    expect(values['changes.email.to']?.value).toBe('bob@example.org');
    const all = [read(entry), read(entry)].flatMap((one) =>
      Object.values(one.values).map(({ salt }) => salt),
    );
    expect(new Set(all).size).toBe(all.length);
  });

  it('leaves out what is not known', () => {
    const { leaf, values } = read({
      orgId: entry.orgId,
      actor: { type: 'anonymous', id: 'anonymous' },
      action: 'access.denied',
      target: { type: 'route', id: 'GET /x' },
      outcome: 'denied',
      request: { id: 'r', method: 'GET', route: '/x' },
    });
    expect(leaf.commitments).toEqual({});
    expect(values).toEqual({});
    expect(Object.keys(leaf)).not.toContain('reason');
    expect(Object.keys(leaf)).not.toContain('changes');
    expect(leaf['actor']).toEqual({ type: 'anonymous', id: 'anonymous' });
  });

  it('holds no personal value in its leaf, whatever the values are', () => {
    // Marked, so that a value cannot stand in the leaf by accident.
    const value = fc.string({ unit: 'binary', minLength: 1 }).map((text) => `§${text.toWellFormed()}§`);
    const fields = fc.dictionary(
      fc.stringMatching(/^[a-z]{1,8}$/),
      fc.oneof(
        value.map(personal),
        fc.record({ from: value.map(personal), to: value.map(personal) }),
        fc.record({ to: value.map(personal) }),
      ),
    );
    fc.assert(
      fc.property(fields, value, value, (changes, display, ip) => {
        const { sealed, leaf, values } = read({
          ...entry,
          actor: { ...entry.actor, display },
          target: { ...entry.target, display },
          request: { ...entry.request, ip },
          changes,
        });
        expect(sealed.leaf).not.toContain('§');
        expect(sealed.leaf).not.toMatch(/\\u00a7/i);
        for (const path of Object.keys(leaf.commitments)) {
          const { salt, value: shown } = values[path]!;
          expect(shown === 'agent/1' || shown.startsWith('§')).toBe(true);
          const digest = createHash('sha256').update(Buffer.from(salt, 'base64url')).update(shown, 'utf8');
          expect(leaf.commitments[path]).toBe(digest.digest('hex'));
        }
      }),
    );
  });

  it('cannot be told from its commitments: equal values have unequal ones', () => {
    const [one, other] = [read(entry), read(entry)];
    for (const path of Object.keys(one.leaf.commitments)) {
      expect(one.leaf.commitments[path]).not.toBe(other.leaf.commitments[path]);
    }
  });

  it('names the person behind an API key, and the session of a user', () => {
    const caller: Caller = {
      kind: 'api_key',
      id: 'k-1',
      apiKeyId: 'k-1',
      userId: 'u-1',
      display: 'siem',
      org: { id: 'o', slug: 'o', name: 'O', kind: 'tenant', status: 'active', createdAt: '' },
      permissions: new Set(),
      assured: true,
      request: { id: 'r', method: 'GET', route: '/' },
    };
    expect(actorOf(caller)).toMatchObject({ type: 'api_key', id: 'k-1', apiKeyId: 'k-1', onBehalfOf: 'u-1' });
    expect(actorOf({ ...caller, kind: 'user', id: 'u-1', sessionId: 's-1' })).toMatchObject({
      type: 'user',
      id: 'u-1',
      sessionId: 's-1',
      onBehalfOf: undefined,
    });
  });
});
