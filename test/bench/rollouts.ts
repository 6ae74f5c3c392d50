import pg from 'pg';
import { Database, type DatabaseUrls, migrate, prepareDatabase } from '#database';
import { newId, SystemClock } from '#kernel';
import { Gates, Moves, Postures, Rollouts, Standing } from '#rollout';
import { migrations } from '../../migrations/index.ts';
import { callerIn, seedTenant, type SeededTenant } from '../kit/tenants.ts';
import { quietAudit } from './audited-changes.ts';
import { TemporaryDatabase } from './deployment.ts';
import { medianOf, type Plan, type Result } from './figures.ts';
import { cores } from './processes.ts';

const CLIENTS = 16;
/** More than any round withdraws. */
const DRAFTS_PER_SECOND = 6_000;

class NoPostures extends Postures {
  override of(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  override existing(): Promise<ReadonlySet<string>> {
    return Promise.resolve(new Set());
  }
}

interface Round {
  readonly moves: number;
  readonly evaluations: number;
  readonly audited: number;
  readonly bare: number;
  readonly reads: number;
}

/** (w) Transitions of rollouts, and evaluations of their gates; beside transactions that only write or only read. */
export async function rollouts({ rounds, seconds }: Plan): Promise<Result> {
  const server = await TemporaryDatabase.start(cores.both);
  let database: Database | undefined;
  const all: Round[] = [];
  try {
    const urls = await prepareDatabase(server.server.adminUrl);
    await migrate(urls.owner, migrations);
    const tenant = await seedTenant(server.server.adminUrl);
    const caller = callerIn(tenant);
    database = new Database({ urls, poolSize: CLIENTS }, { settled: () => Promise.resolve() });
    await database.connect();
    const clock = new SystemClock();
    const [audit, standing] = [quietAudit(), new Standing(clock)];
    const room = new Rollouts(database, new Moves(audit, clock), standing, clock);
    const gates = new Gates(standing, new NoPostures(), clock);
    const open = database;
    await onOwner(urls, 'CREATE TABLE bench_bare (id bigserial, value text)');
    const audited = async () => {
      await open.inOrg(caller, (tx) =>
        audit.append(tx, caller, { action: 'rollout.moved', target: { type: 'rollout', id: newId() } }),
      );
    };
    const evaluate = async () => {
      await open.inOrg(caller, async (tx) => {
        const row = await tx.one<Parameters<Gates['evaluate']>[1]>('SELECT * FROM rollouts WHERE id = $1', [
          tenant.rollouts['rolloutId'],
        ]);
        if (!row) throw new Error('the seeded rollout is gone');
        await gates.evaluate(tx, row);
      });
    };
    const read = async () => {
      await open.inOrg(caller, (tx) => tx.query('SELECT 1'));
    };
    for (let i = 0; i < rounds; i += 1) {
      const drafts = await makeDrafts(urls, tenant, seconds * DRAFTS_PER_SECOND);
      all.push({
        bare: await bareInserts(urls, seconds),
        audited: await perSecond(seconds, audited),
        moves: await perSecond(seconds, async () => {
          const id = drafts.pop();
          if (id === undefined) throw new Error('there were too few drafts');
          await room.withdraw(caller, id, 'bench');
        }),
        reads: await perSecond(seconds, read),
        evaluations: await perSecond(seconds, evaluate),
      });
    }
  } finally {
    await database?.onApplicationShutdown();
    await server.stop();
  }
  return {
    name: 'rollouts',
    title: `(w) Rollouts, ${CLIENTS} clients, one organization, durable commits`,
    figures: figures(all),
    rounds: all,
  };
}

function figures(all: Round[]): Result['figures'] {
  const moves = medianOf(all, (round) => round.moves);
  return [
    {
      what: 'transitions',
      value: moves,
      unit: 'tx/s',
      limit: { what: 'an audit record alone', value: medianOf(all, (round) => round.audited) },
      ratio: medianOf(all, (round) => round.moves / round.audited),
    },
    {
      what: 'transitions',
      value: moves,
      unit: 'tx/s',
      limit: { what: 'bare durable INSERT', value: medianOf(all, (round) => round.bare) },
      ratio: medianOf(all, (round) => round.moves / round.bare),
    },
    {
      what: 'evaluations of all gates',
      value: medianOf(all, (round) => round.evaluations),
      unit: '/s',
      limit: { what: 'a transaction of one SELECT 1', value: medianOf(all, (round) => round.reads) },
      ratio: medianOf(all, (round) => round.evaluations / round.reads),
    },
  ];
}

async function perSecond(seconds: number, work: () => Promise<void>): Promise<number> {
  const begun = performance.now();
  const until = begun + seconds * 1000;
  let done = 0;
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      while (performance.now() < until) {
        await work();
        done += 1;
      }
    }),
  );
  return (done / (performance.now() - begun)) * 1000;
}

async function onOwner(urls: DatabaseUrls, sql: string, values?: unknown[]): Promise<void> {
  const owner = new pg.Client({ connectionString: urls.owner });
  await owner.connect();
  try {
    await owner.query(sql, values);
  } finally {
    await owner.end();
  }
}

async function makeDrafts(urls: DatabaseUrls, tenant: SeededTenant, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => newId());
  await onOwner(
    urls,
    `INSERT INTO rollouts (org_id, id, title, author_id, policy_id)
     SELECT $1, id, 'draft', $2, $3 FROM unnest($4::uuid[]) AS t(id)`,
    [tenant.orgId, tenant.userId, tenant.rollouts['policyId'], ids],
  );
  return ids;
}

async function bareInserts(urls: DatabaseUrls, seconds: number): Promise<number> {
  const clients = Array.from({ length: CLIENTS }, () => new pg.Client({ connectionString: urls.owner }));
  await Promise.all(clients.map((client) => client.connect()));
  const free = [...clients];
  try {
    return await perSecond(seconds, async () => {
      const client = free.pop()!;
      await client.query('INSERT INTO bench_bare (value) VALUES ($1)', ['x']);
      free.push(client);
    });
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}
