import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import pg from 'pg';
import { Database, type DatabaseUrls, migrate, prepareDatabase } from '#database';
import { SystemClock } from '#kernel';
import { EmbeddedStore, MasterKey, OrgKeys, SecretLog } from '#secrets';
import { migrations } from '../../migrations/index.ts';
import { callerIn, seedTenant } from '../kit/tenants.ts';
import { TemporaryDatabase } from './deployment.ts';
import { medianOf, type Plan, type Result } from './figures.ts';
import { loop, perSecond } from './per-second.ts';
import { cores } from './processes.ts';
import { auditBy } from '../kit/audit.ts';

const CLIENTS = 16;
/** What a connection string takes. */
const VALUE = 'x'.repeat(120);

interface Round {
  readonly resolves: number;
  readonly writes: number;
  readonly audited: number;
  readonly bare: number;
  readonly crypto: number;
  readonly bareCrypto: number;
}

/** (s) Secrets of the embedded store, resolved and written; beside bare AES-256-GCM and a bare durable INSERT. */
export async function secrets({ rounds, seconds }: Plan): Promise<Result> {
  const server = await TemporaryDatabase.start(cores.both);
  let database: Database | undefined;
  const all: Round[] = [];
  try {
    const urls = await prepareDatabase(server.server.adminUrl);
    await migrate(urls.owner, migrations);
    const tenant = await seedTenant(server.server.adminUrl);
    await onOwner(
      urls,
      'DELETE FROM secrets; DELETE FROM org_keys; CREATE TABLE bench_bare (id bigserial, value bytea)',
    );
    database = new Database({ urls, poolSize: CLIENTS }, { settled: () => Promise.resolve() });
    await database.connect();
    const audit = auditBy(new SystemClock());
    const masterKey = new MasterKey(randomBytes(32));
    const keys = new OrgKeys(masterKey, audit);
    const store = new EmbeddedStore(database, new SecretLog(database, audit, keys), keys);
    const caller = callerIn(tenant);
    const settings = { description: '', tags: {}, maxVersions: 10, casRequired: false };
    // One secret for each client, so that nobody waits for a row.
    for (let n = 0; n < CLIENTS; n += 1) await store.create(caller, `bench/${n}`, { value: VALUE }, settings);
    const resolver = { orgId: tenant.orgId, purpose: 'sink:bench' } as const;
    const resolve = async (n: number) => {
      await store.resolve(resolver, { path: `bench/${n}`, field: 'value' });
    };
    const write = async (n: number) => {
      await store.write(caller, { path: `bench/${n}` }, { value: VALUE });
    };
    const record = (n: number) =>
      database!.inOrg(caller, (tx) =>
        audit.append(tx, caller, { action: 'secret.searched', target: { type: 'secret', id: `${n}` } }),
      );
    for (let i = 0; i < rounds; i += 1) {
      all.push({
        bare: await bareInserts(urls, seconds),
        audited: await perSecond(CLIENTS, seconds, record),
        resolves: await perSecond(CLIENTS, seconds, resolve),
        writes: await perSecond(CLIENTS, seconds, write),
        ...cryptoAlone(masterKey, seconds),
      });
    }
  } finally {
    await database?.onApplicationShutdown();
    await server.stop();
  }
  return {
    name: 'secrets',
    title: `(s) Secrets of the embedded store, ${CLIENTS} clients, one organization, durable commits`,
    figures: figures(all),
    rounds: all,
  };
}

function figures(all: Round[]): Result['figures'] {
  const of = (pick: (round: Round) => number) => medianOf(all, pick);
  const bare = { what: 'bare INSERT', value: of((round) => round.bare) };
  const audited = { what: 'an audit record alone', value: of((round) => round.audited) };
  const [resolves, writes] = [of((round) => round.resolves), of((round) => round.writes)];
  return [
    {
      what: 'resolve',
      value: resolves,
      unit: '/s',
      limit: audited,
      ratio: of((r) => r.resolves / r.audited),
    },
    { what: 'resolve', value: resolves, unit: '/s', limit: bare, ratio: of((r) => r.resolves / r.bare) },
    { what: 'write', value: writes, unit: '/s', limit: audited, ratio: of((r) => r.writes / r.audited) },
    { what: 'write', value: writes, unit: '/s', limit: bare, ratio: of((r) => r.writes / r.bare) },
    {
      what: 'wrap and unwrap, one core',
      value: of((round) => round.crypto),
      unit: '/s',
      limit: { what: 'bare AES-256-GCM', value: of((round) => round.bareCrypto) },
      ratio: of((r) => r.crypto / r.bareCrypto),
    },
  ];
}

async function onOwner(urls: DatabaseUrls, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: urls.owner });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** The physical limit: a row of the same size, each in its own durable commit, on plain connections. */
async function bareInserts(urls: DatabaseUrls, seconds: number): Promise<number> {
  const clients = Array.from({ length: CLIENTS }, () => new pg.Client({ connectionString: urls.owner }));
  await Promise.all(clients.map((client) => client.connect()));
  const value = randomBytes(VALUE.length + 40);
  try {
    return await perSecond(CLIENTS, seconds, async (n) => {
      await clients[n]?.query({
        name: 'bare',
        text: 'INSERT INTO bench_bare (value) VALUES ($1)',
        values: [value],
      });
    });
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}

function cryptoAlone(masterKey: MasterKey, seconds: number): Pick<Round, 'crypto' | 'bareCrypto'> {
  const plain = Buffer.from(VALUE);
  const key = randomBytes(32);
  const context = Buffer.from('bench');
  return {
    crypto: loop(seconds, () => masterKey.unwrap(masterKey.wrap(plain, 'bench'), 'bench')),
    bareCrypto: loop(seconds, () => {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(context);
      const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
      const opened = createDecipheriv('aes-256-gcm', key, nonce)
        .setAAD(context)
        .setAuthTag(cipher.getAuthTag());
      return Buffer.concat([opened.update(sealed), opened.final()]);
    }),
  };
}
