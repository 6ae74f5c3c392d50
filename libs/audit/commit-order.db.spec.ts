import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database, InvalidationStream, LiveCallers } from '#database';
import { type Caller, newId, SystemClock } from '#kernel';
import { cloneDatabase, run, type TestDatabase } from '../../test/kit/database.ts';
import { type ExpectedLog, verifyExport } from '../../test/system/verify-export.ts';
import { AuditExport } from './audit-export.ts';
import type { Audit } from './audit.ts';
import { Readings } from './readings.ts';
import { Findings } from './tree/findings.ts';
import { OrgTrees } from './tree/org-trees.ts';
import { auditBy } from '../../test/kit/audit.ts';

/**
 * Positions follow the order of commits, whatever order transactions began or spoke in. Each transaction here takes
 * its number by a change of state first and appends its record later, as use cases do: with the record first, a
 * reader that goes by transaction numbers would look right too, and the test would prove nothing.
 */
const WRITERS = 16;
const FOR_MS = 6_000;
/** How many organizations there are beside the hot one. */
const OTHERS = 3;

interface Page {
  after: number;
  next: number;
  bytes: Buffer;
}

interface Reader {
  limit: number;
  pages: Page[];
}

let testDatabase: TestDatabase;
let database: Database;
const clock = new SystemClock();
const audit = auditBy(clock);
const hot = newId();
const others = Array.from({ length: OTHERS }, () => newId());
const callers = new Map<string, Caller>();

beforeAll(async () => {
  testDatabase = await cloneDatabase();
  database = new Database(
    { urls: testDatabase.urls, poolSize: WRITERS + 4 },
    { settled: async () => undefined },
  );
  await database.connect();
  for (const orgId of [hot, ...others]) callers.set(orgId, await newOrg(orgId));
});
afterAll(async () => {
  await database.onApplicationShutdown();
  await testDatabase.drop();
});

/** An organization with a member whose session is live, and a role for each writer to change. */
async function newOrg(orgId: string): Promise<Caller> {
  const [userId, roleId, sessionId] = [newId(), newId(), newId()];
  const roles = Array.from(
    { length: WRITERS },
    (_, writer) => `('${orgId}', '${newId()}', 'writer ${writer}')`,
  );
  await run(
    testDatabase.urls.owner,
    `INSERT INTO organizations (id, slug, name, kind) VALUES ('${orgId}', 'o-${orgId}', 'Org', 'tenant');
     INSERT INTO users (id, email, name) VALUES ('${userId}', '${userId}@example.org', 'Somebody');
     INSERT INTO roles (org_id, id, name, built_in) VALUES ('${orgId}', '${roleId}', 'owner', 'owner');
     INSERT INTO roles (org_id, id, name) VALUES ${roles.join(', ')};
     INSERT INTO memberships (org_id, user_id, role_id) VALUES ('${orgId}', '${userId}', '${roleId}');
     INSERT INTO sessions (org_id, id, user_id, expires_at, idle_seconds, auth_methods, assurance)
       VALUES ('${orgId}', '${sessionId}', '${userId}', now() + interval '1 hour', 3600, '{pwd}', 'aal1');
     INSERT INTO session_activity (org_id, session_id, last_seen_at) VALUES ('${orgId}', '${sessionId}', now())`,
  );
  return {
    kind: 'user',
    id: userId,
    userId,
    sessionId,
    display: 'Somebody',
    org: { id: orgId, slug: 'o', name: 'Org', kind: 'tenant', status: 'active', createdAt: '' },
    permissions: new Set(),
    assured: true,
    request: { id: newId(), method: 'PATCH', route: '/spec' },
  };
}

const callerIn = (orgId: string): Caller => callers.get(orgId)!;
const pause = (): Promise<void> => sleep(Math.random() < 0.05 ? 200 : Math.random() * 20);

const newExporter = (): AuditExport =>
  new AuditExport(
    database,
    new Readings(database, audit, clock),
    new OrgTrees(database, new Findings(database, audit)),
    // Never started: nobody waits here.
    new LiveCallers(new InvalidationStream('', clock)),
    clock,
  );

class Planned extends Error {}

/** What each organization's log must hold in the end: the target ids of all records whose transaction committed. */
const committed = new Map<string, Set<string>>([hot, ...others].map((orgId) => [orgId, new Set<string>()]));
const tally = { commits: 0, rollbacks: 0, multi: 0 };
/** So much happens at least, however long a busy machine takes for it. */
const isEnough = (): boolean => tally.commits > 200 && tally.rollbacks > 5 && tally.multi > 20;

async function write(writer: number, until: number): Promise<void> {
  while (performance.now() < until || !isEnough()) {
    const targets = new Map<string, string>();
    try {
      if (Math.random() < 0.15) await writeToSeveral(targets);
      else await writeToOne(writer, targets);
      tally.commits += 1;
      for (const [orgId, target] of targets) committed.get(orgId)!.add(target);
    } catch (error) {
      if (!(error instanceof Planned)) throw error;
      tally.rollbacks += 1;
    }
  }
}

async function writeToOne(writer: number, targets: Map<string, string>): Promise<void> {
  const orgId = Math.random() < 0.7 ? hot : others[Math.floor(Math.random() * OTHERS)]!;
  const caller = callerIn(orgId);
  await database.inOrg(caller, async (tx) => {
    // Changing a role is also a revocation, which takes a lock for all organizations at commit; adding one is not.
    if (Math.random() < 0.5) {
      const changed = await tx.change('UPDATE roles SET description = $2 WHERE name = $1', [
        `writer ${writer}`,
        newId(),
      ]);
      expect(changed).toBe(1);
    } else {
      await tx.query('INSERT INTO roles (org_id, id, name) VALUES ($1, $2, $3)', [orgId, newId(), newId()]);
    }
    await pause();
    const target = newId();
    await audit.append(tx, caller, { action: 'role.updated', target: { type: 'role', id: target } });
    targets.set(orgId, target);
    await pause();
    if (Math.random() < 0.05) throw new Planned();
  });
}

/** Records in two logs, in either order: what would deadlock if each took its lock as it came. */
async function writeToSeveral(targets: Map<string, string>): Promise<void> {
  const pair = [hot, others[Math.floor(Math.random() * OTHERS)]!];
  if (Math.random() < 0.5) pair.reverse();
  await database.acrossOrgs('manage_tenants', async (tx) => {
    for (const orgId of pair) {
      await tx.query('INSERT INTO roles (org_id, id, name) VALUES ($1, $2, $3)', [orgId, newId(), newId()]);
    }
    for (const orgId of pair) {
      const target = newId();
      const { request } = callerIn(orgId);
      await audit.record(tx, {
        orgId,
        actor: { type: 'system', id: 'spec' },
        action: 'org.suspended',
        target: { type: 'organization', id: target },
        outcome: 'success',
        request,
      });
      targets.set(orgId, target);
      await pause();
    }
    if (Math.random() < 0.05) throw new Planned();
  });
  tally.multi += 1;
}

/** Follows a log by `after` as a SIEM does, until the writers are done and it has reached the head. */
async function follow(reader: Reader, orgId: string, over: () => boolean): Promise<void> {
  const exporter = newExporter();
  let after = 0;
  for (;;) {
    const last = over();
    const started = await exporter.start(callerIn(orgId), {
      after,
      limit: reader.limit,
      format: 'native',
      wait: 0,
    });
    const chunks: Buffer[] = [];
    for await (const chunk of started.lines) chunks.push(chunk);
    if (started.next > after) reader.pages.push({ after, next: started.next, bytes: Buffer.concat(chunks) });
    else if (last) return;
    else await sleep(1);
    after = started.next;
  }
}

/** The reader that many systems ship: the newest id seen is the cursor. `column` orders the log. */
async function followNaively(column: 'id' | 'xid', over: () => boolean): Promise<Set<string>> {
  const seen = new Set<string>();
  let cursor: unknown = column === 'id' ? '00000000-0000-0000-0000-000000000000' : '0';
  for (;;) {
    const last = over();
    const rows = await run(
      testDatabase.adminUrl,
      `SELECT target_id, ${column}::text AS place FROM portcullis.audit_events
        WHERE org_id = $1 AND ${column} > $2 ORDER BY ${column}`,
      [hot, cursor],
    );
    for (const row of rows) seen.add(String(row['target_id']));
    cursor = rows.at(-1)?.['place'] ?? cursor;
    if (last) return seen;
    await sleep(5);
  }
}

const linesOf = (pages: readonly Page[]): string[] =>
  pages.flatMap(({ bytes }) => bytes.toString('utf8').split('\n').slice(0, -1));

describe('the order of commits', () => {
  const readers: Reader[] = [1, 37, 10_000].map((limit) => ({ limit, pages: [] }));
  const otherReaders = new Map<string, Reader>(others.map((orgId) => [orgId, { limit: 100, pages: [] }]));
  let naive: { id: Set<string>; xid: Set<string> };

  beforeAll(async () => {
    let done = false;
    const over = (): boolean => done;
    const until = performance.now() + FOR_MS;
    const writing = Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer, until))).finally(
      () => {
        done = true;
      },
    );
    const [, id, xid] = await Promise.all([
      writing,
      followNaively('id', over),
      followNaively('xid', over),
      ...readers.map((reader) => follow(reader, hot, over)),
      ...[...otherReaders].map(([orgId, reader]) => follow(reader, orgId, over)),
    ]);
    naive = { id, xid };
  });

  it('is the order of positions: every reader saw every committed record, once', () => {
    expect(isEnough()).toBe(true);
    const wanted = [...committed.get(hot)!].sort();
    for (const reader of readers) {
      const events = linesOf(reader.pages).map(
        (line) => JSON.parse(line) as { action: string; target: { id: string } },
      );
      const found = events.filter(({ action }) => action !== 'audit.exported').map(({ target }) => target.id);
      expect(found.sort()).toEqual(wanted);
    }
    for (const [orgId, { pages }] of otherReaders) {
      const text = linesOf(pages).join('\n');
      for (const target of committed.get(orgId)!) expect(text).toContain(target);
    }
  });

  it('is not what a reader by id or by transaction number sees, so this test could have failed', () => {
    const missed = (seen: Set<string>): number =>
      [...committed.get(hot)!].filter((id) => !seen.has(id)).length;
    const { commits, rollbacks, multi } = tally;
    console.info(
      `${commits} commits (${multi} in two logs), ${rollbacks} rollbacks; of ${committed.get(hot)!.size} records ` +
        `a reader by id missed ${missed(naive.id)}, by transaction number ${missed(naive.xid)}, by position 0`,
    );
    expect(missed(naive.id)).toBeGreaterThan(0);
    expect(missed(naive.xid)).toBeGreaterThan(0);
  });

  it('is contiguous, chained and hashed as an independent verifier computes it', async () => {
    const exporter = newExporter();
    for (const orgId of [hot, ...others]) {
      const head = await exporter.start(callerIn(orgId), { after: 0, limit: 1, format: 'native', wait: 0 });
      const pages = orgId === hot ? readers[0]!.pages : otherReaders.get(orgId)!.pages;
      // The exporter of this step has left its own record at the end, which the readers no longer saw.
      const rest = await readAll(exporter, orgId, pages.at(-1)!.next);
      const expected = new Map<string, ExpectedLog>([[orgId, { treeSize: head.treeSize, root: head.root }]]);
      const verdict = await verifyExport([...linesOf(pages), ...linesOf(rest)], expected);
      expect(verdict.problems).toEqual([]);
      expect(verdict.orgs.get(orgId)).toMatchObject({ lines: head.treeSize, lastPos: head.treeSize });
    }
  });

  it('gives the same bytes for a page whenever it is read', async () => {
    const exporter = newExporter();
    for (const { pages, limit } of readers) {
      const sample = limit === 1 ? pages.filter((_, index) => index % 20 === 0) : pages;
      expect(sample.length).toBeGreaterThan(3);
      for (const { after, next, bytes } of sample) {
        const again = await exporter.start(callerIn(hot), {
          after,
          limit: next - after,
          format: 'native',
          wait: 0,
        });
        const chunks: Buffer[] = [];
        for await (const chunk of again.lines) chunks.push(chunk);
        expect(again.next).toBe(next);
        expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
      }
    }
  });

  it('holds no lock crosswise when logs are written in opposite order', async () => {
    // The two transactions hold their records and only then commit, at once: fifty times both ways.
    const [first, second] = others as [string, string];
    for (let turn = 0; turn < 50; turn += 1) {
      await Promise.all([
        database.acrossOrgs('manage_tenants', (tx) => speakIn(tx, [first, second])),
        database.acrossOrgs('manage_tenants', (tx) => speakIn(tx, [second, first])),
      ]);
    }
  });
});

async function speakIn(tx: Parameters<Audit['record']>[0], orgIds: string[]): Promise<void> {
  for (const orgId of orgIds) {
    await audit.record(tx, {
      orgId,
      actor: { type: 'system', id: 'spec' },
      action: 'org.resumed',
      target: { type: 'organization', id: orgId },
      outcome: 'success',
      request: callerIn(orgId).request,
    });
  }
}

async function readAll(exporter: AuditExport, orgId: string, after: number): Promise<Page[]> {
  const { next, lines } = await exporter.start(callerIn(orgId), {
    after,
    limit: 10_000,
    format: 'native',
    wait: 0,
  });
  const chunks: Buffer[] = [];
  for await (const chunk of lines) chunks.push(chunk);
  return [{ after, next, bytes: Buffer.concat(chunks) }];
}
