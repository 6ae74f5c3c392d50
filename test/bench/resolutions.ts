import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Database, migrate, prepareDatabase } from '#database';
import { newId, SystemClock } from '#kernel';
import {
  CachedStore,
  EmbeddedStore,
  MasterKey,
  OrgKeys,
  ResolvedSecret,
  secretAgeSettings,
  SecretLog,
  StorePosture,
} from '#secrets';
import { migrations } from '../../migrations/index.ts';
import { auditBy } from '../kit/audit.ts';
import { asRole } from '../kit/sql.ts';
import { callerIn, seedTenant } from '../kit/tenants.ts';
import { TemporaryDatabase } from './deployment.ts';
import { medianOf, type Plan, type Result } from './figures.ts';
import { loop, perSecond } from './per-second.ts';
import { cores } from './processes.ts';

const CLIENTS = 16;
/** What a connection string takes. */
const VALUE = 'x'.repeat(120);
/** What one question to a store on the same network takes. */
const STORE_MS = 1;

interface Round {
  readonly cached: number;
  readonly remote: number;
  readonly embedded: number;
  readonly record: number;
  readonly crypto: number;
  readonly bareCrypto: number;
}

/** A store elsewhere that always knows the answer, after the time of a round trip. */
class NearbyStore extends EmbeddedStore {
  override async resolve(...asked: Parameters<EmbeddedStore['resolve']>): Promise<ResolvedSecret> {
    await sleep(STORE_MS);
    return super.resolve(...asked);
  }
}

/** (r) Secrets resolved out of memory and out of the embedded store, beside the record that each use costs. */
export async function resolutions({ rounds, seconds }: Plan): Promise<Result> {
  const server = await TemporaryDatabase.start(cores.both);
  let database: Database | undefined;
  let cache: CachedStore | undefined;
  const all: Round[] = [];
  try {
    const urls = await prepareDatabase(server.server.adminUrl);
    await migrate(urls.owner, migrations);
    const tenant = await seedTenant(server.server.adminUrl);
    database = new Database({ urls, poolSize: CLIENTS }, { settled: () => Promise.resolve() });
    await database.connect();
    const clock = new SystemClock();
    const audit = auditBy(clock);
    const masterKey = new MasterKey(randomBytes(32));
    const keys = new OrgKeys(masterKey, audit);
    const log = new SecretLog(database, audit, keys);
    const embedded = new EmbeddedStore(database, log, keys);
    const nearby = new NearbyStore(database, log, keys);
    const parts = {
      database,
      audit,
      clock,
      ages: secretAgeSettings.secretAges.read(undefined),
      posture: new StorePosture(clock, 1),
    };
    // One process: nobody else changes anything.
    const stream = { isFresh: true, listen: () => undefined };
    cache = new CachedStore(nearby, { ...parts, stream });
    // What the seed put there no key opens.
    await asRole(urls.owner, (query) => query('DELETE FROM org_keys'));
    await asRole(urls.owner, (query) => query('DELETE FROM secrets'));
    const caller = callerIn(tenant);
    const settings = { description: '', tags: {}, maxVersions: 10, casRequired: false };
    for (let n = 0; n < CLIENTS; n += 1)
      await embedded.create(caller, `bench/${n}`, { value: VALUE }, settings);
    const resolver = { orgId: tenant.orgId, purpose: 'sink:bench' } as const;
    const from = (store: EmbeddedStore | CachedStore) => async (n: number) => {
      await store.resolve(resolver, { path: `bench/${n}`, field: 'value' });
    };
    const record = (n: number) =>
      database!.inOrg(caller, (tx) =>
        audit.append(tx, caller, { action: 'secret.searched', target: { type: 'secret', id: `${n}` } }),
      );
    const [row] = await asRole(urls.owner, (query) => query('SELECT id, wrapped_key FROM org_keys'));
    const key = keys.open(tenant.orgId, String(row?.['id']), String(row?.['wrapped_key']));
    for (let i = 0; i < rounds; i += 1) {
      all.push({
        record: await perSecond(CLIENTS, seconds, record),
        cached: await perSecond(CLIENTS, seconds, from(cache)),
        remote: await perSecond(CLIENTS, seconds, from(nearby)),
        embedded: await perSecond(CLIENTS, seconds, from(embedded)),
        ...cryptoAlone(key, seconds),
      });
    }
  } finally {
    cache?.onModuleDestroy();
    await database?.onApplicationShutdown();
    await server.stop();
  }
  return {
    name: 'resolutions',
    title: `(r) Secrets resolved, ${CLIENTS} clients, one organization, each use recorded in a durable commit`,
    figures: figures(all),
    rounds: all,
  };
}

function figures(all: Round[]): Result['figures'] {
  const of = (pick: (round: Round) => number) => medianOf(all, pick);
  const record = { what: 'an audit record alone', value: of((round) => round.record) };
  const uses = ['cached', 'embedded', 'remote'] as const;
  const names = {
    cached: 'resolve, in memory',
    embedded: 'resolve, embedded store',
    remote: `resolve, store ${STORE_MS} ms away, nothing in memory`,
  };
  return [
    ...uses.map((use) => ({
      what: names[use],
      value: of((round) => round[use]),
      unit: '/s',
      limit: record,
      ratio: of((round) => round[use] / round.record),
    })),
    {
      what: 'encrypt and decrypt a secret, one core',
      value: of((round) => round.crypto),
      unit: '/s',
      limit: { what: 'bare AES-256-GCM', value: of((round) => round.bareCrypto) },
      ratio: of((round) => round.crypto / round.bareCrypto),
    },
  ];
}

/** What a version costs beside the database: JSON, its context, the cipher; and the cipher alone. */
function cryptoAlone(
  key: ReturnType<OrgKeys['open']>,
  seconds: number,
): Pick<Round, 'crypto' | 'bareCrypto'> {
  const bound = { orgId: newId(), secretId: newId(), path: 'bench/0', version: 1 };
  const plain = Buffer.from(JSON.stringify({ value: VALUE }));
  const bareKey = randomBytes(32);
  const context = Buffer.from('bench');
  return {
    crypto: loop(seconds, () => key.decrypt(key.encrypt({ value: VALUE }, bound), bound)),
    bareCrypto: loop(seconds, () => {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', bareKey, nonce).setAAD(context);
      const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
      const opened = createDecipheriv('aes-256-gcm', bareKey, nonce)
        .setAAD(context)
        .setAuthTag(cipher.getAuthTag());
      return Buffer.concat([opened.update(sealed), opened.final()]);
    }),
  };
}
