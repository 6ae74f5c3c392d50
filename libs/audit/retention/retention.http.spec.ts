import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../../test/kit/app-in-process.ts';
import { fillLog, tamper } from '../../../test/kit/long-log.ts';
import { asRole, stateOf } from '../../../test/kit/sql.ts';
import { verifyExport } from '../../../test/system/verify-export.ts';
import { Checkpoints } from '../checkpoint/checkpoints.ts';
import { OrgTrees } from '../tree/org-trees.ts';
import { Pruning } from './pruning.ts';

let product: AppInProcess;
let admin: SignedIn;
let orgId = '';
let tenants = 0;

beforeAll(async () => {
  product = await startApp();
});
afterAll(() => product.close());
beforeEach(async () => {
  tenants += 1;
  const person = { ...owner, email: `owner${tenants}@tenant.example` };
  admin = await product.addTenant(`tenant-${tenants}`, person);
  orgId = admin.organization.id;
});

const as = () => ({ token: admin.accessToken });
const audit = (path: string): Promise<Answered> => product.get(`/orgs/${orgId}/audit/${path}`, as());
const put = (path: string, body: object): Promise<Answered> =>
  product.ask('PUT', `/orgs/${orgId}/audit/${path}`, { ...as(), body });
const keep = async (retentionDays: number | null) =>
  expectStatus(await put('retention', { retentionDays }), 200);
const prune = (): Promise<void> => product.app.get(Pruning).run();
const retention = async () => expectStatus(await audit('retention'), 200);
const tampered = (sql: string): Promise<void> => tamper(product.database.adminUrl, sql, [orgId]);
/** Signs the log as it is, and lets the signature be so many days old. */
const signed = async (daysAgo: number): Promise<number> => {
  const { size } = await product.app.get(Checkpoints).issue(orgId);
  await tampered(
    `UPDATE audit_checkpoints SET issued_at = now() - interval '${daysAgo} days' WHERE org_id = $1 AND size = ${size}`,
  );
  return size;
};
const eventsOf = async (): Promise<number> =>
  Number(
    (await product.sql('SELECT count(*) FROM portcullis.audit_events WHERE org_id = $1', [orgId]))[0]?.[
      'count'
    ],
  );
const linesOf = (answer: Answered): string[] => answer.raw.toString().split('\n').slice(0, -1);

describe('retention', () => {
  it('is for ever until the organization says otherwise, which is recorded', async () => {
    expect(await retention()).toEqual({ retentionDays: null, prunedUpTo: 0 });
    for (const retentionDays of [29, 3651, 0.5]) expectStatus(await put('retention', { retentionDays }), 400);
    await keep(30);
    await keep(30);
    await keep(null);
    const changed = await product.records(orgId, 'audit.retention_changed');
    expect(changed.map(({ changes }) => changes.retentionDays)).toEqual([
      { from: null, to: 30 },
      { from: 30, to: null },
    ]);
  });

  it('drops the events that a checkpoint as old covers, and no other; their hashes stay', async () => {
    const size = await signed(31);
    await keep(30);
    const positions = await product.sql(
      'SELECT * FROM portcullis.audit_positions WHERE org_id = $1 ORDER BY pos',
      [orgId],
    );
    const before = await eventsOf();
    await prune();
    expect(await retention()).toEqual({ retentionDays: 30, prunedUpTo: size });
    expect(await eventsOf()).toBe(before - size + 1);
    const after = await product.sql(
      'SELECT * FROM portcullis.audit_positions WHERE org_id = $1 ORDER BY pos',
      [orgId],
    );
    expect(after.slice(0, positions.length)).toEqual(positions);
    expect(await product.records(orgId, 'audit.pruned')).toMatchObject([
      {
        actor: { type: 'system' },
        changes: { after: { to: 0 }, upTo: { to: size }, retentionDays: { to: 30 } },
      },
    ]);
    await prune();
    expect(await product.records(orgId, 'audit.pruned')).toHaveLength(1);
  });

  it('drops nothing that was signed too lately, and nothing without a policy', async () => {
    await signed(29);
    await prune();
    await keep(30);
    await prune();
    expect(await retention()).toMatchObject({ prunedUpTo: 0 });
    expect(await product.records(orgId, 'audit.pruned')).toEqual([]);
  });

  it('makes the export of what is gone a fault that says where to go on; what is left verifies', async () => {
    await fillLog(product.database.adminUrl, orgId, 700);
    const size = await signed(40);
    await keep(30);
    await prune();
    for (const path of ['export', `export?after=${size - 1}`, 'export?format=ocsf&wait=1']) {
      expect(expectStatus(await audit(path), 404, 'audit.pruned').data, path).toEqual({ prunedUpTo: size });
    }
    await audit(`export?after=${size}`);
    const answer = await audit(`export?after=${size}&limit=10000`);
    expectStatus(answer, 200);
    // What is gone is proven by its last position, which the tree still has.
    const { hashes } = expectStatus(await audit(`proofs/inclusion?pos=${size}&size=${size}`), 200);
    const expected = {
      treeSize: Number(answer.headers['x-audit-tree-size']),
      root: String(answer.headers['x-audit-root']),
      start: { pos: size + 1, proof: hashes },
    };
    const lines = linesOf(answer);
    expect(lines.map((line) => JSON.parse(line).pos)[0]).toBe(size + 1);
    expect((await verifyExport(lines, new Map([[orgId, expected]]))).problems).toEqual([]);
    const wrong = { ...expected, start: { pos: size + 1, proof: hashes.toReversed() } };
    const verdict = await verifyExport(lines, new Map([[orgId, wrong]]));
    expect(verdict.problems.map(({ kind }) => kind)).toEqual(['forked']);
    const cut = await verifyExport(lines.slice(1), new Map([[orgId, expected]]));
    expect(cut.problems).toMatchObject([{ kind: 'missing', pos: size + 1 }, { kind: 'wrong root' }]);
  });

  it('leaves proofs and checkpoints of all that was, also where tiles are made or compared afterwards', async () => {
    const size = await signed(40);
    await keep(30);
    await prune();
    await fillLog(product.database.adminUrl, orgId, 1_000);
    expectStatus(await audit('checkpoint'), 200);
    const trees = product.app.get(OrgTrees);
    expect(await trees.check(orgId, 0, 100)).toBeUndefined();
    const total = Number((await audit('checkpoint')).raw.toString().split('\n')[1]);
    expectStatus(await audit(`proofs/inclusion?pos=1&size=${total}`), 200);
    expectStatus(await audit(`proofs/consistency?from=${size}&to=${total}`), 200);
    const page = expectStatus(await audit('events?limit=100'), 200);
    expect(page.prunedUpTo).toBe(size);
  });

  it('goes in batches, each with its record', async () => {
    await fillLog(product.database.adminUrl, orgId, 11_000);
    const size = await signed(40);
    await keep(30);
    await prune();
    const pruned = await product.records(orgId, 'audit.pruned');
    expect(pruned.map(({ changes }) => changes.upTo.to)).toEqual([5_000, 10_000, size]);
  });

  it('stops at a legal hold, and goes on when it is lifted', async () => {
    const size = await signed(31);
    await keep(30);
    expectStatus(await put('hold', { reason: 'file 9' }), 200);
    await prune();
    expect(await retention()).toMatchObject({ prunedUpTo: 0 });
    const { system } = product.database.urls;
    const refused = await asRole(system, (query) =>
      stateOf(query, () => query('SELECT audit_prune($1, $2)', [orgId, size])),
    );
    expect(refused).toBe('PC006');
    expectStatus(await product.delete(`/orgs/${orgId}/audit/hold`, as()), 204);
    await prune();
    expect(await retention()).toMatchObject({ prunedUpTo: size });
  });

  it('drops nothing of a log that is not what was written, and says where', async () => {
    await signed(31);
    await keep(30);
    await tampered(
      `UPDATE audit_events SET leaf = replace(leaf, 'success', 'failure') WHERE org_id = $1 AND id =
         (SELECT event_id FROM audit_positions WHERE org_id = $1 AND pos = 2)`,
    );
    await prune();
    expect(await retention()).toMatchObject({ prunedUpTo: 0 });
    expect(await product.records(orgId, 'audit.alteration_found')).toMatchObject([
      { reason: 'event_altered', changes: { pos: { to: 2 } } },
    ]);
  });
});

describe('a superuser who takes events out by hand', () => {
  it('is found at the position, though they write a pruning beside it', async () => {
    await fillLog(product.database.adminUrl, orgId, 600);
    await tampered(
      `DELETE FROM audit_events WHERE org_id = $1 AND id IN
         (SELECT event_id FROM audit_positions WHERE org_id = $1 AND pos <= 300)`,
    );
    await tampered(
      `INSERT INTO audit_prunings (org_id, up_to, record_id, retention_days) VALUES ($1, 300, gen_random_uuid(), 30)`,
    );
    const { data } = expectStatus(await audit('checkpoint'), 503, 'audit.log_altered');
    expect(data).toMatchObject({ kind: 'event_missing', pos: 1 });
  });
});

describe('the database', () => {
  const state = (sql: string, values: unknown[] = []): Promise<string> =>
    asRole(product.database.urls.system, (query) => stateOf(query, () => query(sql, values)));

  it('drops nothing without policy, checkpoint, age and record', async () => {
    const drop = 'SELECT audit_prune($1, $2)';
    const size = await signed(31);
    expect(await state(drop, [orgId, size]), 'no policy').toBe('PC002');
    await keep(30);
    expect(await state(drop, [orgId, size]), 'no record').toBe('PC001');
    expect(await state(drop, [orgId, size + 1]), 'no checkpoint').toBe('PC002');
    await keep(60);
    expect(await state(drop, [orgId, size]), 'not old enough').toBe('PC002');
    expect(await state('DELETE FROM audit_events WHERE org_id = $1', [orgId])).toBe('42501');
  });
});
