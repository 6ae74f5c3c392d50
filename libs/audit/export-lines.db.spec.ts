import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database } from '#database';
import { cloneDatabase, run, type TestDatabase } from '../../test/kit/database.ts';
import { verifyExport } from '../../test/system/verify-export.ts';
import { insertEvent, nativeLines, readRange } from './audit.store.ts';
import { type ExportFormat, exportFormats, lineOf } from './formats/format.ts';

/**
 * Lines as SIEMs have stored them, held as committed bytes: a change of them breaks parsers and, for native lines,
 * proofs that others keep. Ids, times and salts are fixed, so the hashes are too.
 */
const golden = (format: ExportFormat): string =>
  fileURLToPath(new URL(`golden/${format}.ndjson`, import.meta.url));

const org = '0190a6c4-0000-7000-8000-000000000001';
const salt = Buffer.alloc(16, 7).toString('base64url');

// Python: hashlib.sha256(bytes([7]) * 16 + value.encode()).hexdigest()
const ADA = 'e74f6a3e568cf73731029839e61d35a164e036242abc03ee497c4873bc722dae';
const IP = 'd869adb9211ac69d85fdf25d58a2230282f14d43ca2701aded2650fc00f4e7c2';

/** The texts that go into the table: canonical leaf, and the values beside it. */
const events: { id: string; leaf: object; personal: object }[] = [
  {
    id: '0190a6c4-0000-7000-8000-0000000000a1',
    leaf: {
      action: 'auth.signed_in',
      actor: { id: 'u-1', sessionId: 's-1', type: 'user' },
      changes: { methods: { to: ['pwd'] }, session: { to: 's-1' } },
      commitments: { 'actor.display': ADA, 'request.ip': IP },
      outcome: 'success',
      request: { id: 'r-1', method: 'POST', route: '/api/v1/auth/login' },
      target: { id: 'u-1', type: 'user' },
    },
    personal: {
      'actor.display': { salt, value: 'Ada "Ångström" \\ 李' },
      'request.ip': { salt, value: '192.0.2.1' },
    },
  },
  {
    id: '0190a6c4-0000-7000-8000-0000000000a2',
    leaf: {
      action: 'access.denied_repeatedly',
      actor: { id: 'anonymous', type: 'anonymous' },
      changes: { action: { to: 'access.denied' }, count: { to: 990 } },
      commitments: {},
      outcome: 'denied',
      reason: 'auth.credential_missing',
      request: { id: 'r-2', method: 'GET', route: '/api/v1/auth/me' },
      target: { id: 'GET /api/v1/auth/me', type: 'route' },
    },
    personal: {},
  },
  {
    id: '0190a6c4-0000-7000-8000-0000000000a3',
    leaf: {
      action: 'session.revoked',
      actor: { apiKeyId: 'k-1', id: 'k-1', onBehalfOf: 'u-1', type: 'api_key' },
      changes: { user: { to: 'u-2' } },
      commitments: { 'request.ip': IP, 'target.display': ADA },
      outcome: 'success',
      reason: 'revoked_by_admin',
      request: { id: 'r-3', method: 'DELETE', route: '/api/v1/orgs/:orgId/sessions/:sessionId' },
      target: { id: 's-2', type: 'session' },
    },
    personal: { 'request.ip': 'erased', 'target.display': 'erased' },
  },
  {
    id: '0190a6c4-0000-7000-8000-0000000000a4',
    leaf: {
      action: 'role.updated',
      actor: { id: 'u-1', sessionId: 's-1', type: 'user' },
      changes: { permissions: { from: ['org:read'], to: ['org:read', 'member:read'] } },
      commitments: {},
      outcome: 'success',
      request: { id: 'r-4', method: 'PATCH', route: '/api/v1/orgs/:orgId/roles/:roleId' },
      target: { id: 'role-1', type: 'role' },
    },
    personal: {},
  },
  {
    id: '0190a6c4-0000-7000-8000-0000000000a5',
    leaf: {
      action: 'auth.stepped_up',
      actor: { id: 'u-1', sessionId: 's-1', type: 'user' },
      changes: { method: { to: 'totp' }, session: { to: 's-1' } },
      commitments: {},
      outcome: 'success',
      request: { id: 'r-5', method: 'POST', route: '/api/v1/auth/step-up' },
      target: { id: 'u-1', type: 'user' },
    },
    personal: {},
  },
];

/** Keys stand in the order of RFC 8785 above; `id`, `org`, `time` and `v` take their places here. */
function leafText({ id, leaf }: (typeof events)[number]): string {
  const whole = { ...leaf, id, org, time: '2026-11-22T03:04:05.678Z', v: 1 };
  const sorted = Object.fromEntries(Object.entries(whole).sort(([a], [b]) => (a < b ? -1 : 1)));
  return JSON.stringify(sorted);
}

let testDatabase: TestDatabase;
let database: Database;

beforeAll(async () => {
  testDatabase = await cloneDatabase();
  database = new Database({ urls: testDatabase.urls, poolSize: 2 }, { settled: async () => undefined });
  await database.connect();
  for (const event of events) {
    await database.acrossOrgs('record_denial', (tx) =>
      insertEvent(tx, {
        orgId: org,
        id: event.id,
        leaf: leafText(event),
        personal: JSON.stringify(event.personal),
      }),
    );
  }
});
afterAll(async () => {
  await database.onApplicationShutdown();
  await testDatabase.drop();
});

/** As the export reads them; the organization is given by hand, for there is no session to enter it with. */
async function linesIn(format: ExportFormat): Promise<string[]> {
  if (format === 'native') {
    const rows = await run(testDatabase.urls.system, nativeLines(org, 0, events.length));
    const bytes = Buffer.concat(rows.map((row) => Object.values(row)[0] as Buffer));
    return bytes.toString('utf8').split('\n').slice(0, -1);
  }
  const rows = await database.acrossOrgs('record_denial', (tx) =>
    readRange({ query: tx.query.bind(tx), orgId: org } as never, 0, events.length),
  );
  return rows.map((row) => lineOf(format, row));
}

describe('the lines of an export', () => {
  it.each(exportFormats)('in %s are what they were', async (format) => {
    const found = await linesIn(format);
    expect(found).toHaveLength(events.length);
    await expect(found.map((line) => `${line}\n`).join('')).toMatchFileSnapshot(golden(format));
  });

  it('in native are proven by the verifier', async () => {
    expect((await verifyExport(await linesIn('native'))).problems).toEqual([]);
  });
});
