import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newId, sha256 } from '#kernel';
import { testData } from '../../../test/kit/test-data.ts';
import { type AuditAction, auditActions } from '../catalogue/actions.ts';
import { type AuditEntry, personal, sealEvent } from '../audit-event.ts';
import { cadfActions, cadfLine } from './cadf.ts';
import { cefLine } from './cef.ts';
import { ecsKinds, ecsLine } from './ecs.ts';
import { readEvent } from './event.ts';
import { leefLine } from './leef.ts';
import { ocsfLine } from './ocsf.ts';
import { kindOf, ocsfMapping } from './ocsf-mapping.ts';

const folder = testData('ocsf-1.8.0');
const actions = Object.keys(auditActions) as AuditAction[];

const person = newId();
const session = newId();

/** What the product says of each kind of thing; every action is of one of these kinds by its first word. */
const targets: Record<string, AuditEntry['target']> = {
  system: { type: 'deployment', id: newId() },
  signing_key: { type: 'signing_key', id: 'kid' },
  key_pepper: { type: 'key_pepper', id: newId() },
  secret: { type: 'secret', id: newId() },
  secret_store: { type: 'deployment', id: newId() },
  org_key: { type: 'org_key', id: newId() },
  master_key: { type: 'master_key', id: 'abcd0123' },
  audit_key: { type: 'audit_key', id: 'abcd0123' },
  auth: { type: 'user', id: person, display: 'bob@example.org' },
  session: { type: 'session', id: session },
  org: { type: 'organization', id: newId() },
  'org.ownership_transferred': { type: 'user', id: person, display: 'bob@example.org' },
  policy: { type: 'organization', id: newId() },
  user: { type: 'user', id: person, display: 'bob@example.org' },
  member: { type: 'user', id: person, display: 'bob@example.org' },
  role: { type: 'role', id: newId() },
  invitation: { type: 'invitation', id: newId(), display: 'bob@example.org' },
  service_account: { type: 'service_account', id: newId() },
  api_key: { type: 'api_key', id: newId() },
  intake: { type: 'gitea_hook', id: newId() },
  access: { type: 'route', id: 'GET /api/v1/x' },
  audit: { type: 'audit_log', id: newId() },
  event: { type: 'event_destination', id: 'nats' },
  capability: { type: 'capability', id: newId() },
  surface: { type: 'surface', id: newId() },
  authority: { type: 'authority', id: newId() },
  fact: { type: 'surface', id: newId() },
  projection: { type: 'surface', id: newId() },
  rollout: { type: 'rollout', id: newId() },
  rollout_template: { type: 'rollout_template', id: newId() },
  rollout_policy: { type: 'rollout_policy', id: newId() },
  rollout_target: { type: 'rollout_target', id: newId() },
  rollout_hook: { type: 'rollout_hook', id: newId() },
  rollout_person: { type: 'user', id: newId() },
  rollout_break_glass: { type: 'rollout', id: newId() },
  evidence: { type: 'evidence', id: newId() },
  evidence_key: { type: 'evidence_key', id: newId() },
  risk: { type: 'risk', id: newId() },
  freeze: { type: 'freeze', id: newId() },
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
  const known = targets[action] ?? targets[action.split('.')[0] ?? ''];
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

const eventOf = (entry: AuditEntry, erased = false): Ocsf =>
  JSON.parse(ocsfLine(readEvent(rowOf(entry, erased)))) as Ocsf;

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

  it('tells what somebody must look at as a finding: not of what was done, but of what was found', () => {
    const found = ['auth.refresh_reused', 'secret_store.theft_suspected', 'audit.alteration_found'] as const;
    for (const action of [...found, 'audit.fork_detected', 'audit.fork_marked'] as const) {
      const { leaf } = rowOf(entriesOf(action)[0]!);
      expect(eventOf(entriesOf(action)[0]!)).toMatchObject({
        class_uid: 2004,
        severity: 'High',
        status: 'New',
        is_alert: true,
        finding_info: {
          types: [action],
          title: (auditActions[action] as { description: string }).description,
        },
        resources: [{ uid: (JSON.parse(leaf) as { target: { id: string } }).target.id }],
      });
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

/** Values that would end a line, a field or a header where they are not escaped. */
const hostile = fc
  .array(fc.constantFrom('a', '|', '=', '\\', '\n', '\r', '\t', ' ', 'cs1=', 'ü', '李', '😀', '"'), {
    maxLength: 40,
  })
  .map((parts) => parts.join(''));

const hostileEntry = (name: string, reason: string): AuditEntry => ({
  ...entriesOf('member.updated')[0]!,
  actor: { type: 'user', id: 'u-1', display: name },
  reason,
  changes: { note: { to: name } },
});

describe('the mapping to ECS', () => {
  it('knows what kind every action is', () => {
    for (const action of actions) expect(ecsKinds[kindOf(action)], action).toBeDefined();
  });

  it('is of categories and types that ECS allows, and carries the proof', () => {
    for (const action of actions) {
      for (const entry of entriesOf(action)) {
        const row = rowOf(entry);
        const document = JSON.parse(ecsLine(readEvent(row))) as {
          event: { category: string[]; type: string[]; outcome: string; original: string };
          portcullis: { leaf_hash: string; pos: number };
        };
        expect(ECS_CATEGORIES).toEqual(expect.arrayContaining(document.event.category));
        expect(ECS_TYPES).toEqual(expect.arrayContaining(document.event.type));
        expect(['success', 'failure', 'unknown']).toContain(document.event.outcome);
        expect(document.event.original).toBe(row.leaf);
        expect(document.portcullis).toMatchObject({ leaf_hash: row.leaf_hash, pos: 17 });
      }
    }
  });
});

/** The allowed values of event.category and event.type that concern us (ECS 9.0, "Categorization fields"). */
const ECS_CATEGORIES =
  'api authentication configuration database email file iam intrusion_detection network process session threat web'.split(
    ' ',
  );
const ECS_TYPES =
  'access admin allowed change connection creation deletion denied end error group indicator info installation protocol start user'.split(
    ' ',
  );

describe('the mapping to CEF', () => {
  /** Read as the standard says, by other means than it is written. */
  function parse(line: string): { header: string[]; extension: Record<string, string> } {
    const fields: string[] = [''];
    let at = 0;
    // Seven bars end the header; a backslash takes what follows as it is.
    for (; fields.length < 8; at += 1) {
      const c = line[at];
      if (c === undefined) throw new Error('the header ends too early');
      if (c === '\\') fields[fields.length - 1] += line[(at += 1)] ?? '';
      else if (c === '|') fields.push('');
      else fields[fields.length - 1] += c;
    }
    const header = fields.slice(0, 7);
    const pairs = line.slice(at).matchAll(/(?:^| )([A-Za-z0-9]+)=((?:\\.|[^\\=])*?)(?= [A-Za-z0-9]+=|$)/gs);
    const extension = Object.fromEntries(
      [...pairs].map(([, key = '', value = '']) => [
        key,
        value.replace(/\\(.)/gs, (_, c: string) => (c === 'n' ? '\n' : c === 'r' ? '\r' : c)),
      ]),
    );
    return { header, extension };
  }

  it('reads back as it was written, whatever the values are', () => {
    fc.assert(
      fc.property(hostile, hostile, (name, reason) => {
        const row = rowOf(hostileEntry(name, reason));
        const line = cefLine(readEvent(row));
        expect(line).not.toMatch(/[\r\n]/);
        const { header, extension } = parse(line);
        expect(header.slice(0, 5)).toEqual(['CEF:0', 'Portcullis', 'Portcullis', '1.0', 'member.updated']);
        expect(extension['suser'] ?? '').toBe(name);
        expect(extension['reason'] ?? '').toBe(reason);
        expect(extension).toMatchObject({
          cn1: '17',
          cs2: row.leaf_hash,
          externalId: JSON.parse(row.leaf).id,
        });
      }),
    );
  });

  it('bounds what the standard bounds', () => {
    const row = rowOf(hostileEntry('😀'.repeat(3_000), 'x'.repeat(5_000)));
    const { extension } = parse(cefLine(readEvent(row)));
    expect(extension['reason']).toHaveLength(1_023);
    expect(extension['suser']!.length).toBeLessThanOrEqual(1_023);
    expect(extension['suser']!.isWellFormed()).toBe(true);
    expect(extension['cs6']!.length).toBeLessThanOrEqual(4_000);
  });
});

describe('the mapping to LEEF', () => {
  it('is one line of attributes between tabs, whatever the values are', () => {
    fc.assert(
      fc.property(hostile, hostile, (name, reason) => {
        const row = rowOf(hostileEntry(name, reason));
        const line = leefLine(readEvent(row));
        expect(line).not.toMatch(/[\r\n]/);
        const [version, vendor, product, build, id, delimiter, ...rest] = line.split('|');
        expect([version, vendor, product, build, id, delimiter]).toEqual([
          'LEEF:2.0',
          'Portcullis',
          'Portcullis',
          '1.0',
          'member.updated',
          'x09',
        ]);
        const attributes = new Map(
          rest
            .join('|')
            .split('\t')
            .map((one) => [one.slice(0, one.indexOf('=')), one.slice(one.indexOf('=') + 1)]),
        );
        expect(attributes.get('position')).toBe('17');
        expect(attributes.get('leafHash')).toBe(row.leaf_hash);
        expect(attributes.get('usrName')).toBe(name === '' ? 'u-1' : name.replace(/[\t\r\n]+/g, ' '));
        expect(Number(attributes.get('sev'))).toBeGreaterThanOrEqual(1);
      }),
    );
  });
});

describe('the mapping to CADF', () => {
  it('knows the action of every kind, and who did what to what', () => {
    for (const action of actions) {
      expect(cadfActions[kindOf(action)], action).toBeDefined();
      for (const entry of entriesOf(action)) {
        const row = rowOf(entry);
        const event = JSON.parse(cadfLine(readEvent(row))) as Record<string, Record<string, unknown>>;
        expect(event['initiator']).toMatchObject({ id: entry.actor.id });
        expect(event['target']).toMatchObject({ id: entry.target.id });
        expect(['success', 'failure', 'unknown', 'pending']).toContain(event['outcome']);
        expect(['activity', 'control', 'monitor']).toContain(event['eventType']);
        const [attached] = event['attachments'] as unknown as {
          content: { leaf: string; leafHash: string };
        }[];
        expect(attached?.content).toMatchObject({ leaf: row.leaf, leafHash: row.leaf_hash });
      }
    }
  });
});
