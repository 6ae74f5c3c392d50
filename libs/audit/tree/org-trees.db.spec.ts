import { Logger } from '@nestjs/common';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '#database';
import { SystemClock } from '#kernel';
import { cloneDatabase, run, type TestDatabase } from '../../../test/kit/database.ts';
import { fillLog, tamper } from '../../../test/kit/long-log.ts';
import { rootOf } from '../../../test/kit/merkle.ts';
import { callerIn, seedTenant, type SeededTenant } from '../../../test/kit/tenants.ts';
import { Findings } from './findings.ts';
import { OrgTrees } from './org-trees.ts';
import { auditBy } from '../../../test/kit/audit.ts';

const WIDTH = 256;

let own: TestDatabase;
let trees: OrgTrees;
let tenant: SeededTenant;
const open: Database[] = [];

/** One more process: connections and caches of its own. */
async function process(): Promise<{ trees: OrgTrees }> {
  const made = new Database({ urls: own.urls, poolSize: 2 }, { settled: async () => undefined });
  open.push(made);
  await made.connect();
  return { trees: new OrgTrees(made, new Findings(made, auditBy(new SystemClock()))) };
}

beforeAll(async () => {
  // Each edit is told to the operators, as it should be.
  Logger.overrideLogger(false);
  own = await cloneDatabase();
  ({ trees } = await process());
});
afterAll(async () => {
  for (const one of open) await one.onApplicationShutdown();
  await own.drop();
});
beforeEach(async () => {
  tenant = await seedTenant(own.adminUrl);
  // What the kit seeds so that every table has a row.
  await tamper(
    own.adminUrl,
    `DELETE FROM audit_tiles WHERE org_id = $1; DELETE FROM audit_findings WHERE org_id = $1;
     DELETE FROM audit_checkpoints WHERE org_id = $1`,
    [tenant.orgId],
  );
});

interface TileRow {
  level: number;
  index: number;
  root: Buffer;
  nodes: Buffer;
}

async function kept(): Promise<TileRow[]> {
  const rows = await run(
    own.adminUrl,
    'SELECT level, index::int, root, nodes FROM portcullis.audit_tiles WHERE org_id = $1 ORDER BY level, index',
    [tenant.orgId],
  );
  return rows as unknown as TileRow[];
}

async function hashes(): Promise<Buffer[]> {
  const rows = await run(
    own.adminUrl,
    'SELECT leaf_hash FROM portcullis.audit_positions WHERE org_id = $1 ORDER BY pos',
    [tenant.orgId],
  );
  return rows.map((row) => row['leaf_hash'] as Buffer);
}

const rootAt = (size: number): Promise<string> =>
  trees.read(callerIn(tenant), async (tree) => (await tree.rootAt(size)).toString('hex'));
const findings = (): Promise<Record<string, unknown>[]> =>
  run(own.adminUrl, 'SELECT kind, pos::int FROM portcullis.audit_findings WHERE org_id = $1 ORDER BY id', [
    tenant.orgId,
  ]);
/** Compares the whole log with its tiles. */
async function checkAll(): Promise<void> {
  for (let at: number | undefined = 0; at !== undefined; at = await trees.check(tenant.orgId, at)) continue;
}

describe('the tiles of a log', () => {
  it('are made once, by three processes at once, and are those of the whole log', async () => {
    await fillLog(own.adminUrl, tenant.orgId, 40 * WIDTH);
    const others = await Promise.all([process(), process()]);
    await Promise.all([trees, ...others.map((one) => one.trees)].map((one) => one.extend(tenant.orgId)));
    const leaves = await hashes();
    const tiles = await kept();
    expect(tiles.map(({ level, index }) => [level, index])).toEqual(
      Array.from({ length: 40 }, (_, index) => [0, index]),
    );
    for (const { index, root, nodes } of tiles) {
      const under = leaves.slice(index * WIDTH, (index + 1) * WIDTH);
      expect(nodes.subarray(0, 32 * WIDTH).equals(Buffer.concat(under))).toBe(true);
      expect(root.equals(rootOf(under))).toBe(true);
    }
    await trees.extend(tenant.orgId);
    expect(await kept()).toHaveLength(40);
  });

  it('reach a level higher with every 256', async () => {
    await fillLog(own.adminUrl, tenant.orgId, WIDTH * WIDTH + 10);
    await trees.extend(tenant.orgId);
    const tiles = await kept();
    expect(tiles.filter(({ level }) => level === 1).map(({ index }) => index)).toEqual([0]);
    const size = WIDTH * WIDTH + 7;
    expect(await rootAt(size)).toBe(rootOf((await hashes()).slice(0, size)).toString('hex'));
  });

  it('go on where a maker died in the midst', async () => {
    await fillLog(own.adminUrl, tenant.orgId, 60 * WIDTH);
    const victim = await process();
    const dying = victim.trees.extend(tenant.orgId).then(
      () => 'done',
      () => 'died',
    );
    // As soon as some are there, all its connections are cut.
    while ((await kept()).length === 0) continue;
    await run(
      own.adminUrl,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'portcullis system'`,
    );
    expect(await dying).toBe('died');
    const before = (await kept()).length;
    expect(before).toBeGreaterThan(0);
    expect(before).toBeLessThan(60);
    // The pool of the others has lost its connections too, and learns it by using them.
    await expect.poll(() => trees.extend(tenant.orgId).then(() => 'done', String)).toBe('done');
    expect(await kept()).toHaveLength(60);
    await checkAll();
  });

  it('give the root and proofs at any size, also before there are any', async () => {
    await fillLog(own.adminUrl, tenant.orgId, 3 * WIDTH + 50);
    const leaves = await hashes();
    for (const size of [1, 255, 256, 257, 700, leaves.length]) {
      expect(await rootAt(size), `size ${size}`).toBe(rootOf(leaves.slice(0, size)).toString('hex'));
    }
    expect(await kept()).toEqual([]);
    await trees.extend(tenant.orgId);
    for (const size of [1, 255, 256, 257, 700, leaves.length]) {
      expect(await rootAt(size), `size ${size}`).toBe(rootOf(leaves.slice(0, size)).toString('hex'));
    }
  });

  it('are not written by the app, and not changed by anybody', async () => {
    await fillLog(own.adminUrl, tenant.orgId, WIDTH);
    await trees.extend(tenant.orgId);
    const state = (url: string, sql: string): Promise<unknown> =>
      run(url, sql).then(
        () => 'ok',
        (error: { code: string }) => error.code,
      );
    const insert = `INSERT INTO portcullis.audit_tiles SELECT org_id, 5, 5, root, nodes FROM portcullis.audit_tiles`;
    expect(await state(own.urls.app, insert)).toBe('42501');
    for (const sql of ['UPDATE portcullis.audit_tiles SET index = 7', 'DELETE FROM portcullis.audit_tiles']) {
      expect(await state(own.urls.app, sql)).toBe('42501');
      expect(await state(own.urls.system, sql)).toBe('42501');
      expect(await state(own.urls.owner, sql)).toBe('PC002');
      expect(await state(own.adminUrl, sql)).toBe('PC002');
    }
  });
});

/** What a superuser does to a log, and how it is named. `$1` is the organization, `$2` a position. */
const edits: Record<string, { sql: string; kind: string; at?: (pos: number) => number }> = {
  'the bytes of an event': {
    sql: `UPDATE audit_events SET leaf = replace(leaf, 'spec', 'spy') WHERE org_id = $1 AND id =
            (SELECT event_id FROM audit_positions WHERE org_id = $1 AND pos = $2)`,
    kind: 'event_altered',
  },
  'the bytes of an event and its hash': {
    sql: `UPDATE audit_events SET leaf = replace(leaf, 'spec', 'spy'),
              leaf_hash = sha256('\\x00'::bytea || convert_to(replace(leaf, 'spec', 'spy'), 'UTF8'))
            WHERE org_id = $1 AND id = (SELECT event_id FROM audit_positions WHERE org_id = $1 AND pos = $2)`,
    kind: 'position_altered',
  },
  'the hash at a position': {
    sql: `UPDATE audit_positions SET leaf_hash = sha256(leaf_hash) WHERE org_id = $1 AND pos = $2`,
    kind: 'position_altered',
  },
  'the hash of the position before': {
    sql: `UPDATE audit_positions SET prev_hash = sha256(prev_hash) WHERE org_id = $1 AND pos = $2`,
    kind: 'chain_broken',
  },
  'an event, its hash and its position, but not what follows': {
    sql: `UPDATE audit_events SET leaf = replace(leaf, 'spec', 'spy') WHERE org_id = $1 AND id =
            (SELECT event_id FROM audit_positions WHERE org_id = $1 AND pos = $2);
          UPDATE audit_positions p SET leaf_hash = sha256('\\x00'::bytea || convert_to(e.leaf, 'UTF8'))
            FROM audit_events e WHERE e.org_id = p.org_id AND e.id = p.event_id AND p.org_id = $1 AND p.pos = $2`,
    kind: 'chain_broken',
    at: (pos) => pos + 1,
  },
  'away an event': {
    sql: `DELETE FROM audit_events WHERE org_id = $1 AND id =
            (SELECT event_id FROM audit_positions WHERE org_id = $1 AND pos = $2)`,
    kind: 'event_missing',
  },
  'away a position': {
    sql: 'DELETE FROM audit_positions WHERE org_id = $1 AND pos = $2',
    kind: 'position_missing',
  },
  'the order of two events': {
    sql: `UPDATE audit_positions p SET event_id =
            (SELECT event_id FROM audit_positions o WHERE o.org_id = $1 AND o.pos = 2 * $2 + 1 - p.pos)
            WHERE p.org_id = $1 AND p.pos IN ($2, $2 + 1)`,
    kind: 'position_altered',
  },
};

describe.each(Object.entries(edits))(
  'a superuser who edits %s',
  (_what, { sql, kind, at = (pos) => pos }) => {
    const POS = WIDTH + 100;

    it('is noticed when its tile is made, and no tile is made of it', async () => {
      await fillLog(own.adminUrl, tenant.orgId, 3 * WIDTH);
      await tamper(own.adminUrl, sql, [tenant.orgId, POS]);
      await expect(trees.extend(tenant.orgId)).rejects.toMatchObject({
        code: 'audit.log_altered',
        data: { kind, pos: at(POS) },
      });
      expect(await kept()).toHaveLength(1);
      // Kept once, however often it is seen; and recorded in the log itself.
      await expect(trees.extend(tenant.orgId)).rejects.toMatchObject({ code: 'audit.log_altered' });
      expect(await findings()).toEqual([{ kind, pos: at(POS) }]);
      const records = await run(
        own.adminUrl,
        `SELECT target_id FROM portcullis.audit_events WHERE org_id = $1 AND action = 'audit.alteration_found'`,
        [tenant.orgId],
      );
      expect(records).toEqual([{ target_id: tenant.orgId }]);
    });

    it('is noticed when its tile is looked at again', async () => {
      await fillLog(own.adminUrl, tenant.orgId, 3 * WIDTH);
      await trees.extend(tenant.orgId);
      await checkAll();
      await tamper(own.adminUrl, sql, [tenant.orgId, POS]);
      await expect(checkAll()).rejects.toMatchObject({
        code: 'audit.log_altered',
        data: { kind, pos: at(POS) },
      });
      expect(await findings()).toEqual([{ kind, pos: at(POS) }]);
    });
  },
);

describe('a superuser who edits tiles', () => {
  const flip = `set_byte(nodes, 32 * 10, 255 - get_byte(nodes, 32 * 10))`;

  it('is noticed when they are looked at again, with the position', async () => {
    await fillLog(own.adminUrl, tenant.orgId, 2 * WIDTH);
    await trees.extend(tenant.orgId);
    await tamper(own.adminUrl, `UPDATE audit_tiles SET nodes = ${flip} WHERE org_id = $1 AND index = 0`, [
      tenant.orgId,
    ]);
    await expect(checkAll()).rejects.toMatchObject({ data: { kind: 'tile_differs', pos: 11, index: 0 } });
  });

  it('is noticed by whoever asks for a proof that leads through them', async () => {
    await fillLog(own.adminUrl, tenant.orgId, 3 * WIDTH);
    await trees.extend(tenant.orgId);
    await tamper(own.adminUrl, `UPDATE audit_tiles SET nodes = ${flip} WHERE org_id = $1 AND index = 0`, [
      tenant.orgId,
    ]);
    const prove = (pos: number) => trees.read(callerIn(tenant), (tree) => tree.inclusion(pos, 3 * WIDTH));
    await expect(prove(11)).rejects.toMatchObject({ code: 'audit.log_altered', data: { pos: 11 } });
    await expect(prove(12)).rejects.toMatchObject({ code: 'audit.log_altered', data: { pos: 12 } });
    await expect(prove(WIDTH + 12)).resolves.toHaveProperty('hashes');
  });

  it('is noticed when a tile is gone', async () => {
    await fillLog(own.adminUrl, tenant.orgId, 3 * WIDTH);
    await trees.extend(tenant.orgId);
    await tamper(own.adminUrl, 'DELETE FROM audit_tiles WHERE org_id = $1 AND index = 1', [tenant.orgId]);
    await expect(rootAt(3 * WIDTH)).rejects.toMatchObject({
      code: 'audit.log_altered',
      data: { kind: 'tile_differs', pos: WIDTH + 1 },
    });
  });

  it('is noticed where the whole log after a position is written anew, consistently', async () => {
    await fillLog(own.adminUrl, tenant.orgId, 2 * WIDTH);
    await trees.extend(tenant.orgId);
    await tamper(own.adminUrl, 'DELETE FROM audit_positions WHERE org_id = $1 AND pos > $2', [
      tenant.orgId,
      WIDTH + 50,
    ]);
    await fillLog(own.adminUrl, tenant.orgId, WIDTH);
    await expect(checkAll()).rejects.toMatchObject({ data: { kind: 'tile_differs', pos: WIDTH + 51 } });
  });

  it('is noticed where the log is cut off', async () => {
    await fillLog(own.adminUrl, tenant.orgId, 2 * WIDTH);
    await trees.extend(tenant.orgId);
    await tamper(own.adminUrl, 'DELETE FROM audit_positions WHERE org_id = $1 AND pos > $2', [
      tenant.orgId,
      WIDTH + 50,
    ]);
    await expect(trees.extend(tenant.orgId)).rejects.toMatchObject({
      data: { kind: 'position_missing', pos: WIDTH + 51 },
    });
  });
});
