import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { Database, migrate, prepareDatabase } from '#database';
import { EventConfig, EventRelays, NatsDestination } from '#events';
import { newId, SystemClock } from '#kernel';
import { relayTiming } from '#relay';
import { migrations } from '../../migrations/index.ts';
import { auditBy } from '../kit/audit.ts';
import { until } from '../kit/app-in-process.ts';
import { natsMissing, NatsServer } from '../kit/nats-server.ts';
import { fillOutbox } from '../kit/outbox.ts';
import { asRole } from '../kit/sql.ts';
import { changes, CLIENTS, makeTenants, quietAudit, spread } from './audited-changes.ts';
import { TemporaryDatabase } from './deployment.ts';
import { medianOf, type Plan, type Result } from './figures.ts';
import { cores } from './processes.ts';

const ORGANIZATIONS = 20;
const BYTES = 200;

interface Round {
  readonly audited: number;
  readonly published: number;
  readonly relayed: number;
  readonly relayedHot: number;
  readonly bare: number;
  readonly bareHot: number;
}

/**
 * (n) What an event adds to the change that it speaks of; and events a second from the outbox into NATS JetStream,
 * each with its evidence, beside the same bytes published bare, one after another as order asks.
 */
export async function events({ rounds, seconds, quick }: Plan): Promise<Result> {
  const title = '(n) Events: appended to the outbox, relayed to NATS JetStream';
  if (natsMissing) {
    console.log(`(n) is skipped: ${natsMissing}`);
    return { name: 'events', title, figures: [], rounds: [] };
  }
  const count = quick ? 4_000 : 20_000;
  const server = await TemporaryDatabase.start(cores.both);
  const nats = await NatsServer.start();
  let database: Database | undefined;
  const all: Round[] = [];
  try {
    const { adminUrl } = server.server;
    const urls = await prepareDatabase(adminUrl);
    await migrate(urls.owner, migrations);
    const tenants = await makeTenants(urls);
    database = new Database({ urls, poolSize: CLIENTS }, { settled: () => Promise.resolve() });
    await database.connect();
    const [quiet, telling] = [quietAudit(), auditBy(new SystemClock())].map((audit) =>
      changes(database!, audit),
    );
    await spread(tenants, 1, telling!.audited);
    for (let i = 0; i < rounds; i += 1) {
      const audited = await spread(tenants, seconds, quiet!.audited);
      const published = await spread(tenants, seconds, telling!.audited);
      await asRole(adminUrl, (query) =>
        query('DELETE FROM event_positions; DELETE FROM events; DELETE FROM event_logs'),
      );
      all.push({
        audited,
        published,
        relayed: await relay(database, adminUrl, nats, count, ORGANIZATIONS),
        bare: await publishBare(nats, count, ORGANIZATIONS),
        relayedHot: await relay(database, adminUrl, nats, count / 4, 1),
        bareHot: await publishBare(nats, count / 4, 1),
      });
    }
  } finally {
    await database?.onApplicationShutdown();
    await nats.stop();
    await server.stop();
  }
  return { name: 'events', title, figures: figures(all), rounds: all };
}

function figures(all: Round[]): Result['figures'] {
  return [
    {
      what: 'audited change with its event',
      value: medianOf(all, (round) => round.published),
      unit: 'tx/s',
      limit: { what: 'the same without the event', value: medianOf(all, (round) => round.audited) },
      ratio: medianOf(all, (round) => round.published / round.audited),
    },
    {
      what: `relayed and evidenced, ${ORGANIZATIONS} organizations`,
      value: medianOf(all, (round) => round.relayed),
      unit: 'events/s',
      limit: { what: 'bare publish, as many at once', value: medianOf(all, (round) => round.bare) },
      ratio: medianOf(all, (round) => round.relayed / round.bare),
    },
    {
      what: 'relayed and evidenced, one organization',
      value: medianOf(all, (round) => round.relayedHot),
      unit: 'events/s',
      limit: { what: 'bare publish, one after another', value: medianOf(all, (round) => round.bareHot) },
      ratio: medianOf(all, (round) => round.relayedHot / round.bareHot),
    },
  ];
}

/** Events a second from a full outbox until the last one is evidenced. */
async function relay(
  database: Database,
  adminUrl: string,
  nats: NatsServer,
  count: number,
  organizations: number,
): Promise<number> {
  for (let n = 0; n < organizations; n += 1)
    await fillOutbox(adminUrl, newId(), count / organizations, BYTES);
  const settings = { url: nats.url, stream: 'BENCH', replicas: 1 };
  const config = new EventConfig(settings, 90, { ...relayTiming, lookMs: 50 });
  const secrets = { resolve: () => Promise.reject(new Error('none')) };
  const relays = new EventRelays(database, new SystemClock(), config, new NatsDestination(config, secrets));
  const begun = performance.now();
  relays.start((error) => console.error(error));
  await until(async () => {
    const [row] = await asRole(adminUrl, (query) =>
      query(
        `SELECT count(*)::int AS lag FROM event_logs l LEFT JOIN event_lanes s ON s.org_id = l.org_id
          WHERE coalesce(s.delivered_pos, 0) <
                (SELECT max(p.pos) FROM event_positions p WHERE p.org_id = l.org_id)`,
      ),
    );
    return row?.['lag'] === 0;
  }, 300_000);
  const rate = (count / (performance.now() - begun)) * 1_000;
  await relays.onModuleDestroy();
  return rate;
}

/** The physical limit: one connection, for each organization one message after another, each acknowledged. */
async function publishBare(nats: NatsServer, count: number, organizations: number): Promise<number> {
  const connection = await connect({ servers: nats.url, reconnect: false });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: 'BARE', subjects: ['bare.>'] }).catch(() => undefined);
  const stream = jetstream(connection);
  const text = 'x'.repeat(BYTES + 250);
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: organizations }, async (_, org) => {
      for (let n = 0; n < count / organizations; n += 1) {
        await stream.publish(`bare.${org}`, text, { msgID: newId() });
      }
    }),
  );
  const rate = (count / (performance.now() - begun)) * 1_000;
  await connection.close();
  return rate;
}
