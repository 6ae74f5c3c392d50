import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LogVerification } from '#audit';
import { run as portcullis } from '../../apps/cli/cli.ts';
import { type AppInProcess, expectStatus, owner, startApp } from '../kit/app-in-process.ts';
import { fillLog, tamper } from '../kit/long-log.ts';

/**
 * What a superuser does to a log by hand, with every trigger off, is found by both: by whoever holds an earlier
 * checkpoint and an export, and by the job within.
 */
const EVENTS = 600;
const DAY_MS = 24 * 3_600_000;
const folder = mkdtempSync(join(tmpdir(), 'portcullis-tampered-'));

let product: AppInProcess;
let tenants = 0;

beforeAll(async () => {
  product = await startApp();
});
afterAll(async () => {
  await product.close();
  rmSync(folder, { recursive: true });
});

interface Log {
  readonly orgId: string;
  readonly key: string;
  /** What the checkpoint covers. */
  readonly size: number;
  readonly args: string[];
}

const get = async (log: Pick<Log, 'orgId' | 'key'>, path: string) =>
  product.get(`/orgs/${log.orgId}/audit/${path}`, { token: log.key });

/** A log of its own, with a checkpoint that the auditor keeps. */
async function signedLog(): Promise<Log> {
  tenants += 1;
  const person = { ...owner, email: `owner${tenants}@tenant.example` };
  const admin = await product.addTenant(`tenant-${tenants}`, person);
  const orgId = admin.organization.id;
  const { key } = await product.apiKey(admin, { permissions: ['audit:export', 'audit:read'] });
  await fillLog(product.database.adminUrl, orgId, EVENTS);
  const note = String(expectStatus(await get({ orgId, key }, 'checkpoint'), 200));
  const [checkpoint, keys] = [join(folder, `${orgId}.checkpoint`), join(folder, 'keys')];
  writeFileSync(checkpoint, note);
  writeFileSync(keys, String((await product.get('/.well-known/audit-keys')).body));
  const args = ['--checkpoint', checkpoint, '--keys', keys, '--ignore-tail'];
  return { orgId, key, size: Number(note.split('\n')[1]), args };
}

/** What `portcullis audit verify` finds in an export that is made now. */
async function foundOutside(log: Log): Promise<{ code: number; found: [string, number][] }> {
  const file = join(folder, `${log.orgId}.ndjson`);
  const answer = await get(log, 'export?limit=10000');
  expect(answer.status).toBe(200);
  writeFileSync(file, answer.raw);
  let out = '';
  const output = new Writable({
    write(chunk: Buffer, _, done) {
      out += chunk.toString();
      done();
    },
  });
  const code = await portcullis(['audit', 'verify', file, '--json', ...log.args], {
    input: Readable.from([]),
    output,
    errors: output,
  });
  const { problems } = JSON.parse(out) as { problems: { kind: string; pos: number }[] };
  return { code, found: problems.map(({ kind, pos }) => [kind, pos]) };
}

let days = 0;

/** The first run of another day, which reads everything again. */
async function verifyTomorrow(): Promise<void> {
  days += 1;
  product.clock.advance(days * DAY_MS);
  await product.app.get(LogVerification, { strict: false }).verifyAll(undefined, { id: 'spec', attempt: 0 });
  product.clock.reset();
}

const posture = async (log: Log) => expectStatus(await get(log, 'verification'), 200);

/** The event at a position, and its hash as PostgreSQL computes it. */
const eventAt = (log: Log, pos: number): string =>
  `id = (SELECT event_id FROM audit_positions WHERE org_id = '${log.orgId}' AND pos = ${pos})`;
const EDIT = `leaf = replace(leaf, '"outcome":"success"', '"outcome":"denied"')`;
const HASH = `sha256('\\x00'::bytea || convert_to(leaf, 'UTF8'))`;

type Found = [kind: string, pos: (log: Log) => number];

describe('a log that a superuser has changed', () => {
  const cases: [what: string, sql: (log: Log) => string, outside: Found[], inside: Found][] = [
    [
      'by editing an event',
      (log) => `UPDATE audit_events SET ${EDIT} WHERE ${eventAt(log, 300)}`,
      [
        ['altered', () => 300],
        ['wrong root', (log) => log.size],
      ],
      ['event_altered', () => 300],
    ],
    [
      'by editing an event and every hash that follows from it in the tables of the log',
      (log) => `
        UPDATE audit_events SET ${EDIT} WHERE ${eventAt(log, 300)};
        UPDATE audit_events SET leaf_hash = ${HASH} WHERE ${eventAt(log, 300)};
        UPDATE audit_positions SET leaf_hash = (SELECT leaf_hash FROM audit_events WHERE ${eventAt(log, 300)})
         WHERE org_id = '${log.orgId}' AND pos = 300;
        UPDATE audit_positions SET prev_hash = (SELECT leaf_hash FROM audit_events WHERE ${eventAt(log, 300)})
         WHERE org_id = '${log.orgId}' AND pos = 301`,
      [['forked', (log) => log.size]],
      ['tile_differs', () => 300],
    ],
    [
      'by deleting an event',
      (log) => `DELETE FROM audit_events WHERE ${eventAt(log, 300)}`,
      [
        ['missing', () => 300],
        ['wrong root', (log) => log.size],
      ],
      ['event_missing', () => 300],
    ],
    [
      'by deleting two positions in a row',
      (log) => `DELETE FROM audit_positions WHERE org_id = '${log.orgId}' AND pos IN (300, 301)`,
      [
        ['missing', () => 300],
        ['wrong root', (log) => log.size],
      ],
      ['position_missing', () => 300],
    ],
    [
      'by giving two events each other’s position',
      (log) => `
        UPDATE audit_positions SET pos = pos + 1000000 WHERE org_id = '${log.orgId}' AND pos IN (300, 301);
        UPDATE audit_positions SET pos = 601 - (pos - 1000000) WHERE org_id = '${log.orgId}' AND pos > 1000000`,
      [
        ['chain broken', () => 300],
        ['chain broken', () => 301],
        ['chain broken', () => 302],
        ['wrong root', (log) => log.size],
      ],
      ['chain_broken', () => 300],
    ],
    [
      'by deleting all of it',
      (log) => `DELETE FROM audit_positions WHERE org_id = '${log.orgId}'`,
      [],
      ['fork', (log) => log.size],
    ],
  ];

  it.each(cases)('%s is not proven, and the position is named', async (_what, sql, outside, inside) => {
    const log = await signedLog();
    expect(await foundOutside(log)).toEqual({ code: 0, found: [] });
    await verifyTomorrow();
    const before = await posture(log);
    expect(before).toMatchObject({ verifiedUpTo: expect.any(Number), problems: [] });
    expect(before.verifiedUpTo).toBeGreaterThanOrEqual(log.size);

    await tamper(product.database.adminUrl, sql(log));
    const { code, found } = await foundOutside(log);
    expect(code).toBe(1);
    // Of a log that was deleted whole the rest is what was written since.
    if (outside.length > 0) expect(found).toEqual(outside.map(([kind, pos]) => [kind, pos(log)]));
    await verifyTomorrow();
    const [kind, pos] = inside;
    expect((await posture(log)).problems).toMatchObject([{ kind, pos: pos(log) }]);
  });

  it('by cutting its tail is short from there on', async () => {
    const log = await signedLog();
    const cut = log.size - 20;
    await tamper(
      product.database.adminUrl,
      `DELETE FROM audit_positions WHERE org_id = '${log.orgId}' AND pos > ${cut}`,
    );
    const { code, found } = await foundOutside(log);
    // The export is recorded, so that something follows: another history than the one that was signed.
    expect([code, found[0]?.[0]]).toEqual([1, 'short']);
    expect(found[0]?.[1]).toBeGreaterThan(cut);
    await verifyTomorrow();
    expect((await posture(log)).problems).toMatchObject([{ kind: 'fork', pos: log.size }]);
  });

  it('by cutting its tail and going on is forked', async () => {
    const log = await signedLog();
    await tamper(
      product.database.adminUrl,
      `DELETE FROM audit_positions WHERE org_id = '${log.orgId}' AND pos > ${log.size - 20};
       DELETE FROM audit_checkpoints WHERE org_id = '${log.orgId}'`,
    );
    await fillLog(product.database.adminUrl, log.orgId, 100);
    const { code, found } = await foundOutside(log);
    expect([code, found]).toEqual([1, [['forked', log.size]]]);
  });

  it('makes the process not ready where it is a fork, and each run alert the operators', async () => {
    const ready = await product.get('/health/ready');
    const { components } = expectStatus(ready, 503, 'system.not_ready').data;
    expect(components).toContainEqual({ name: 'audit', state: 'down', reason: 'fork' });
    expect(await product.app.get(LogVerification, { strict: false }).isSound()).toBe(false);
    const lines = (): number =>
      product.log.filter((line) => line.includes('cannot be verified') && line.includes('error')).length;
    const before = lines();
    await verifyTomorrow();
    expect(lines()).toBeGreaterThan(before);
  });
});

describe('a sound log', () => {
  it('is verified from where the last verification ended, and once a day from the beginning', async () => {
    const log = await signedLog();
    const verification = product.app.get(LogVerification, { strict: false });
    const verify = () => verification.verifyAll(undefined, { id: 'spec', attempt: 0 });
    const ranges = async () =>
      (await product.records(log.orgId, 'audit.verified')).map(({ changes }) => [
        changes.from.to,
        changes.upTo.to,
      ]);
    await verify();
    const [first] = await ranges();
    expect(first).toEqual([1, expect.any(Number)]);
    await verify();
    expect(await ranges()).toEqual([first]);
    await fillLog(product.database.adminUrl, log.orgId, 10);
    await verify();
    expect(await ranges()).toEqual([first, [first![1] + 1, first![1] + 11]]);
    await verifyTomorrow();
    expect((await ranges()).at(-1)).toEqual([1, expect.any(Number)]);
    expect(await posture(log)).toEqual({
      verifiedUpTo: (await ranges()).at(-1)![1],
      at: expect.stringMatching(/Z$/),
      problems: [],
      resolved: [],
    });
  });
});
