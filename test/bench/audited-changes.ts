import pg from 'pg';
import { Audit, OutcomeCounts } from '#audit';
import { Database, type DatabaseUrls, migrate, type OrgTx, prepareDatabase } from '#database';
import { type Caller, newId, SystemClock } from '#kernel';
import { migrations } from '../../migrations/index.ts';
import { TemporaryDatabase } from './deployment.ts';
import { medianOf, type Plan, type Result } from './figures.ts';
import { cores } from './processes.ts';

export const CLIENTS = 16;
const ORGANIZATIONS = 100;
/** Rows in each organization, one for each client, so that nobody waits for a row. */
const ROWS = CLIENTS;

interface Round {
  readonly audited: number;
  readonly raw: number;
  readonly auditedHot: number;
  readonly rawHot: number;
  readonly bare: number;
}

interface Tenant {
  readonly caller: Caller;
  readonly rows: readonly string[];
}

/** (d) A change with its audit record against the same change without: same pool, same transaction, durable. */
export async function auditedChanges({ rounds, seconds }: Plan): Promise<Result> {
  const server = await TemporaryDatabase.start(cores.both);
  let database: Database | undefined;
  const all: Round[] = [];
  try {
    const urls = await prepareDatabase(server.server.adminUrl);
    await migrate(urls.owner, migrations);
    const tenants = await makeTenants(urls);
    database = new Database({ urls, poolSize: CLIENTS }, { settled: () => Promise.resolve() });
    await database.connect();
    const work = changes(database, quietAudit());
    const hot = tenants.slice(0, 1);
    await spread(tenants, 1, work.audited);
    for (let i = 0; i < rounds; i += 1) {
      all.push({
        raw: await spread(tenants, seconds, work.raw),
        audited: await spread(tenants, seconds, work.audited),
        rawHot: await spread(hot, seconds, work.raw),
        auditedHot: await spread(hot, seconds, work.audited),
        bare: await bareChanges(urls, tenants, seconds),
      });
    }
  } finally {
    await database?.onApplicationShutdown();
    await server.stop();
  }
  return {
    name: 'audited-changes',
    title: `(d) Audited state changes, ${CLIENTS} clients, durable commits`,
    figures: figures(all),
    rounds: all,
  };
}

function figures(all: Round[]): Result['figures'] {
  const ratio = medianOf(all, (round) => round.audited / round.raw);
  return [
    {
      what: `audited, over ${ORGANIZATIONS} organizations`,
      value: medianOf(all, (round) => round.audited),
      unit: 'tx/s',
      limit: { what: 'the same without audit', value: medianOf(all, (round) => round.raw) },
      ratio,
      aim: { text: '>= 0.6', met: ratio >= 0.6 },
    },
    {
      what: 'audited, one hot organization',
      value: medianOf(all, (round) => round.auditedHot),
      unit: 'tx/s',
      limit: { what: 'the same without audit', value: medianOf(all, (round) => round.rawHot) },
      ratio: medianOf(all, (round) => round.auditedHot / round.rawHot),
    },
    {
      what: `audited, over ${ORGANIZATIONS} organizations`,
      value: medianOf(all, (round) => round.audited),
      unit: 'tx/s',
      limit: { what: 'bare UPDATE, no tenant, no check', value: medianOf(all, (round) => round.bare) },
      ratio: medianOf(all, (round) => round.audited / round.bare),
    },
  ];
}

/** The audit log alone: what else follows from a record is measured by (n). */
export const quietAudit = (): Audit =>
  new Audit(new SystemClock(), { recorded: async () => undefined }, new OutcomeCounts());

type Change = (tenant: Tenant, row: string) => Promise<void>;

export function changes(database: Database, audit: Audit): { audited: Change; raw: Change } {
  const update = (tx: OrgTx, table: string, id: string): Promise<number> =>
    tx.change(`UPDATE ${table} SET description = $2 WHERE id = $1`, [id, `changed at ${performance.now()}`]);
  return {
    audited: ({ caller }, row) =>
      database.inOrg(caller, async (tx) => {
        await update(tx, 'service_accounts', row);
        await audit.append(tx, caller, {
          action: 'service_account.created',
          target: { type: 'service_account', id: row },
          changes: { description: { from: 'before', to: 'after' } },
        });
      }),
    raw: ({ caller }, row) =>
      database.inOrg(caller, async (tx) => {
        await update(tx, 'bench_unaudited', row);
      }),
  };
}

/** Changes a second: each client takes the next organization, and there its own row. */
export async function spread(tenants: readonly Tenant[], seconds: number, change: Change): Promise<number> {
  const begun = performance.now();
  const until = begun + seconds * 1000;
  let done = 0;
  await Promise.all(
    Array.from({ length: CLIENTS }, async (_, client) => {
      for (let turn = client * 7; performance.now() < until; turn += 1) {
        const tenant = tenants[turn % tenants.length] as Tenant;
        await change(tenant, tenant.rows[client] as string);
        done += 1;
      }
    }),
  );
  return (done / (performance.now() - begun)) * 1000;
}

/** The physical limit: the change by itself, each in its own durable commit, on plain connections. */
async function bareChanges(urls: DatabaseUrls, tenants: readonly Tenant[], seconds: number): Promise<number> {
  const clients = Array.from({ length: CLIENTS }, () => new pg.Client({ connectionString: urls.owner }));
  await Promise.all(clients.map((client) => client.connect()));
  let next = 0;
  const free = [...clients];
  try {
    return await spread(tenants, seconds, async (_tenant, row) => {
      const client = free.pop() as pg.Client;
      next += 1;
      await client.query('UPDATE bench_bare SET description = $2 WHERE id = $1', [row, `changed ${next}`]);
      free.push(client);
    });
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}

/** Organizations with a signed-in administrator and service accounts; and the tables that nothing audits. */
export async function makeTenants(urls: DatabaseUrls): Promise<Tenant[]> {
  const ids = Array.from({ length: ORGANIZATIONS }, () => ({
    org: newId(),
    user: newId(),
    role: newId(),
    session: newId(),
    rows: Array.from({ length: ROWS }, () => newId()),
  }));
  const pick = (name: 'org' | 'user' | 'role' | 'session'): string[] => ids.map((one) => one[name]);
  const owner = new pg.Client({ connectionString: urls.owner });
  await owner.connect();
  try {
    await owner.query(
      `INSERT INTO organizations (id, slug, name, kind) SELECT id, 'org-' || n, 'Organization ' || n, 'tenant'
         FROM unnest($1::uuid[]) WITH ORDINALITY AS t(id, n)`,
      [pick('org')],
    );
    await owner.query(
      `INSERT INTO users (id, email, name) SELECT id, 'user' || n || '@bench.example', 'User ' || n
         FROM unnest($1::uuid[]) WITH ORDINALITY AS t(id, n)`,
      [pick('user')],
    );
    await owner.query(
      `INSERT INTO roles (org_id, id, name, built_in) SELECT org, id, 'owner', 'owner' FROM unnest($1::uuid[], $2::uuid[]) AS t(org, id)`,
      [pick('org'), pick('role')],
    );
    await owner.query(
      `INSERT INTO memberships (org_id, user_id, role_id) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[])`,
      [pick('org'), pick('user'), pick('role')],
    );
    await owner.query(
      `WITH new AS (INSERT INTO sessions (org_id, user_id, id, expires_at, idle_seconds, auth_methods, assurance)
         SELECT org, usr, id, now() + interval '1 day', 86400, '{pwd}', 'aal1'
           FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS t(org, usr, id) RETURNING org_id, id)
       SELECT 1 FROM new`,
      [pick('org'), pick('user'), pick('session')],
    );
    await owner.query(
      'INSERT INTO session_activity (org_id, session_id, last_seen_at) SELECT org_id, id, now() FROM sessions',
    );
    for (const { org, user, rows } of ids) {
      await owner.query(
        `INSERT INTO service_accounts (org_id, id, name, description, owner_id)
         SELECT $1, id, 'account ' || n, 'before', $2 FROM unnest($3::uuid[]) WITH ORDINALITY AS t(id, n)`,
        [org, user, rows],
      );
    }
    await owner.query(`
      CREATE TABLE bench_unaudited (LIKE service_accounts INCLUDING ALL);
      INSERT INTO bench_unaudited SELECT * FROM service_accounts;
      SELECT protect('bench_unaudited');
      GRANT SELECT, UPDATE ON bench_unaudited TO portcullis_app;
      CREATE TABLE bench_bare (LIKE service_accounts INCLUDING ALL);
      INSERT INTO bench_bare SELECT * FROM service_accounts;
      ANALYZE`);
  } finally {
    await owner.end();
  }
  return ids.map(({ org, user, session, rows }, n) => ({ caller: callerOf(org, user, session, n), rows }));
}

function callerOf(org: string, userId: string, sessionId: string, n: number): Caller {
  return {
    kind: 'user',
    id: userId,
    userId,
    sessionId,
    display: `User ${n}`,
    org: {
      id: org,
      slug: `org-${n}`,
      name: `Organization ${n}`,
      kind: 'tenant',
      status: 'active',
      createdAt: '2026-01-01T00:00:00.000Z',
    },
    permissions: new Set(),
    assured: true,
    request: {
      id: newId(),
      method: 'PATCH',
      route: '/api/v1/orgs/:orgId/service-accounts/:id',
      ip: '192.0.2.1',
      userAgent: 'bench',
    },
  };
}
