import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { newId, sha256 } from '#kernel';
import { testData } from '../../test/kit/test-data.ts';
import { type AuditAction, auditActions } from './actions.ts';
import { type AuditEntry, personal, sealEvent } from './audit-event.ts';
import { ocsfLine, ocsfMapping } from './ocsf.ts';

const folder = testData('ocsf-1.8.0');
const actions = Object.keys(auditActions) as AuditAction[];

const person = newId();
const session = newId();

/** What the product says of each kind of thing; every action is of one of these kinds by its first word. */
const targets: Record<string, AuditEntry['target']> = {
  system: { type: 'deployment', id: newId() },
  signing_key: { type: 'signing_key', id: 'kid' },
  auth: { type: 'user', id: person, display: 'bob@example.org' },
  session: { type: 'session', id: session },
  org: { type: 'organization', id: newId() },
  policy: { type: 'organization', id: newId() },
  member: { type: 'user', id: person, display: 'bob@example.org' },
  role: { type: 'role', id: newId() },
  invitation: { type: 'invitation', id: newId(), display: 'bob@example.org' },
  service_account: { type: 'service_account', id: newId() },
  api_key: { type: 'api_key', id: newId() },
  access: { type: 'route', id: 'GET /api/v1/x' },
  audit: { type: 'audit_log', id: newId() },
  audit_key: { type: 'audit_key', id: 'abcd0123' },
};

const actors: AuditEntry['actor'][] = [
  { type: 'user', id: newId(), sessionId: newId(), display: 'Ada Ångström' },
  { type: 'api_key', id: 'k', apiKeyId: 'k', onBehalfOf: newId(), display: 'siem' },
  { type: 'system', id: 'setup' },
  { type: 'anonymous', id: 'anonymous' },
];

const requests: AuditEntry['request'][] = [
  { id: newId(), method: 'POST', route: '/api/v1/x', ip: '192.0.2.1', userAgent: 'Mozilla/5.0 "q"' },
  { id: newId(), method: 'GET', route: '/api/v1/orgs/:orgId', ip: '2001:db8::1' },
  { id: newId(), method: 'various', route: 'various' },
];

function entriesOf(action: AuditAction): AuditEntry[] {
  const known = targets[action.split('.')[0] ?? ''];
  if (!known) throw new Error(`say here what ${action} is done to`);
  const elsewhere = action.startsWith('auth.') ? [{ type: 'session', id: session }, targets['access']!] : [];
  return [known, ...elsewhere].flatMap((target) =>
    actors.flatMap((actor) =>
      requests.flatMap((request) =>
        (['success', 'denied', 'failure'] as const).flatMap((outcome) => [
          { orgId: newId(), actor, action, target, outcome, request },
          {
            orgId: newId(),
            actor,
            action,
            target,
            outcome,
            request,
            reason: 'some_reason',
            changes: {
              role: { from: 'viewer', to: 'admin' },
              user: { to: person },
              count: { to: 990 },
              email: personal('bob@example.org'),
              permissions: { to: ['org:read'] },
            },
          },
        ]),
      ),
    ),
  );
}

interface Ocsf {
  class_uid: number;
  activity_id: number;
  count?: number;
  raw_data: string;
  actor?: { user: { uid: string } };
  user?: { uid: string };
  src_endpoint?: { ip?: string };
  unmapped: { leaf_hash: string };
}

function rowOf(entry: AuditEntry, erased = false) {
  const { leaf, personal: values } = sealEvent(entry, new Date('2026-11-22T03:04:05.678Z'));
  const gone = Object.fromEntries(Object.keys(JSON.parse(values) as object).map((path) => [path, 'erased']));
  return {
    pos: '17',
    leaf,
    personal: erased ? JSON.stringify(gone) : values,
    leaf_hash: sha256(Buffer.concat([Buffer.from([0]), Buffer.from(leaf)])).toString('hex'),
    prev_hash: '0'.repeat(64),
  };
}

const eventOf = (entry: AuditEntry, erased = false): Ocsf =>
  JSON.parse(ocsfLine(rowOf(entry, erased))) as Ocsf;

describe('the mapping to OCSF', () => {
  it('knows every action, and no other', () => {
    expect(actions.length).toBeGreaterThan(30);
    expect(Object.keys(ocsfMapping).sort()).toEqual(actions.toSorted());
    for (const action of actions) expect(ocsfMapping[action], action).toBeDefined();
  });

  it('says who and whom, and does not take the one for the other', () => {
    const [actor] = actors as [AuditEntry['actor']];
    const request = requests[0]!;
    const base = { orgId: newId(), actor, request, outcome: 'success' } as const;
    const revoked = eventOf({
      ...base,
      action: 'session.revoked',
      target: targets['session']!,
      changes: { user: { to: person } },
    });
    expect(revoked.actor?.user.uid).toBe(actor.id);
    expect(revoked.user?.uid).toBe(person);
    const added = eventOf({ ...base, action: 'member.added', target: targets['member']! });
    expect(added.actor?.user.uid).toBe(actor.id);
    expect(added.user?.uid).toBe(person);
  });

  it('carries what proves it: the leaf, whose hash is leaf_hash', () => {
    for (const action of actions) {
      const { raw_data: leaf, unmapped } = eventOf(entriesOf(action)[0]!);
      const hash = sha256(Buffer.concat([Buffer.from([0]), Buffer.from(leaf)])).toString('hex');
      expect(unmapped.leaf_hash).toBe(hash);
    }
  });

  it('counts what was counted', () => {
    const counted = entriesOf('access.denied_repeatedly').find(({ changes }) => changes !== undefined)!;
    expect(eventOf(counted).count).toBe(990);
  });

  it('gives no address where it was erased', () => {
    const entry = entriesOf('auth.signed_in')[0]!;
    expect(eventOf(entry).src_endpoint?.ip).toBe('192.0.2.1');
    expect(eventOf(entry, true).src_endpoint?.ip).toBeUndefined();
  });

  describe.skipIf(folder === undefined)('is valid by the schema of its class', () => {
    const ajv = new Ajv2020({ strict: false, allErrors: true });
    const schemas = new Map<number, ValidateFunction>();
    for (const file of folder === undefined
      ? []
      : readdirSync(folder).filter((name) => name.endsWith('.json'))) {
      const schema = JSON.parse(readFileSync(join(folder!, file), 'utf8')) as object;
      schemas.set(Number(file.split('-')[0]), ajv.compile(schema));
    }
    const faultsOf = (event: Ocsf): string[] => {
      const validate = schemas.get(event.class_uid);
      if (!validate) return [`there is no schema of class ${event.class_uid}`];
      return validate(event)
        ? []
        : (validate.errors ?? []).map(
            ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
          );
    };

    it.each(actions)('%s', (action) => {
      for (const entry of entriesOf(action)) {
        for (const erased of [false, true]) expect(faultsOf(eventOf(entry, erased)), action).toEqual([]);
      }
    });

    it('which refuses an event that is not', () => {
      for (const action of actions) {
        const event = eventOf(entriesOf(action)[0]!);
        expect(faultsOf({ ...event, class_uid: event.class_uid, activity_id: 77 })).not.toEqual([]);
        expect(faultsOf({ ...event, planted: 1 } as Ocsf)).not.toEqual([]);
      }
    });
  });
});
