import { hash } from 'node:crypto';
import pg from 'pg';
import { fillLog } from '../kit/long-log.ts';
import { Deployment, owner, type Replica, signIn, type SignedIn } from './deployment.ts';
import { median, percentile, type Plan, type Result } from './figures.ts';
import { cores, memory } from './processes.ts';

const PAGE = 10_000;
/** Pages after which a new token is had, for one lives five minutes. */
const RENEW = 100;

interface Latency {
  readonly p50: number;
  readonly p99: number;
}

interface Round {
  readonly inclusion: Latency;
  readonly consistency: Latency;
  readonly read: Latency;
}

interface Flatness {
  /** Resident memory after a tenth of the export, and the most after that, in MB. */
  readonly early: number;
  readonly most: number;
}

/** (g) Proofs over HTTP in a long log, what making its tiles costs, and memory while all of it is exported. */
export async function proofs({ rounds, seconds, quick, full }: Plan): Promise<Result> {
  const count = quick ? 100_000 : full ? 10_000_000 : 1_000_000;
  const { deployment, first } = await Deployment.start(cores.both, cores.both);
  const all: Round[] = [];
  try {
    const who = await signIn(first.client, owner);
    const url = deployment.database.server.adminUrl;
    await fillLog(url, who.organization.id, count);
    await settle(url);
    // A long log takes longer to fill than a token lives.
    const sealMs = await timeCheckpoint(first, await signIn(first.client, owner));
    const size = await sizeOf(first, await signIn(first.client, owner));
    for (let i = 0; i < rounds; i += 1) all.push(await measure(first, who.organization.id, size, seconds));
    const flat = await exportAll(first, who.organization.id, count);
    const [sealed, bare] = [(count / sealMs) * 1000, bareHashes()];
    return {
      name: 'proofs',
      title: `(g) Proofs in a log of ${count.toLocaleString('en-US')} events, one client`,
      figures: [
        ...figures(all),
        {
          what: 'tiles made, every event checked',
          value: sealed,
          unit: 'events/s',
          limit: { what: 'bare SHA-256 of leaf and node', value: bare },
          ratio: sealed / bare,
        },
        {
          what: 'most memory in the rest of an export of all, resident',
          value: flat.most,
          unit: 'MB',
          limit: { what: 'after its first tenth', value: flat.early },
          ratio: flat.most / flat.early,
          aim: { text: '<= 1.25', met: flat.most / flat.early <= 1.25 },
        },
      ],
      rounds: [{ sealMs, flat }, ...all],
    };
  } finally {
    await deployment.stop();
  }
}

function figures(all: Round[]): Result['figures'] {
  const of = (pick: (round: Round) => number): number => median(all.map(pick));
  const read = of((round) => round.read.p99);
  const proof = (what: string, kind: 'inclusion' | 'consistency'): Result['figures'] => {
    const p99 = of((round) => round[kind].p99);
    return [
      { what: `${what}, p50`, value: of((round) => round[kind].p50), unit: 'ms' },
      {
        what: `${what}, p99`,
        value: p99,
        unit: 'ms',
        limit: { what: 'p99 of reading one page of one event', value: read },
        ratio: p99 / read,
        aim: { text: '< 5 ms', met: p99 < 5 },
      },
    ];
  };
  return [
    ...proof('inclusion at any position and size', 'inclusion'),
    ...proof('consistency between any sizes', 'consistency'),
  ];
}

async function measure(replica: Replica, orgId: string, size: number, seconds: number): Promise<Round> {
  const { accessToken } = await signIn(replica.client, owner);
  const upTo = (n: number): number => 1 + Math.floor(Math.random() * n);
  const time = async (path: () => string): Promise<Latency> => {
    const took: number[] = [];
    for (const until = performance.now() + seconds * 1000; performance.now() < until;) {
      const { status, ms } = await replica.client.call('GET', path(), accessToken);
      if (status !== 200) throw new Error(`${path()} answered ${status}`);
      took.push(ms);
    }
    return { p50: percentile(took, 50), p99: percentile(took, 99) };
  };
  const base = `/api/v1/orgs/${orgId}/audit`;
  const pair = (): [number, number] => {
    const to = upTo(size);
    return [upTo(to), to];
  };
  return {
    read: await time(() => `${base}/export?after=${upTo(size) - 1}&limit=1`),
    inclusion: await time(() => {
      const [pos, of] = pair();
      return `${base}/proofs/inclusion?pos=${pos}&size=${of}`;
    }),
    consistency: await time(() => {
      const [from, to] = pair();
      return `${base}/proofs/consistency?from=${from}&to=${to}`;
    }),
  };
}

/** The first checkpoint, which makes the tiles. */
async function timeCheckpoint({ client }: Replica, { accessToken, organization }: SignedIn): Promise<number> {
  const begun = performance.now();
  for (;;) {
    const { status, body } = await client.call(
      'GET',
      `/api/v1/orgs/${organization.id}/audit/checkpoint`,
      accessToken,
    );
    if (status === 200) return performance.now() - begun;
    if (status !== 503 || performance.now() - begun > 1_800_000) {
      throw new Error(`the checkpoint answered ${status}: ${body.toString().slice(0, 500)}`);
    }
  }
}

async function sizeOf({ client }: Replica, { accessToken, organization }: SignedIn): Promise<number> {
  const path = `/api/v1/orgs/${organization.id}/audit/checkpoint`;
  const { body } = await client.call('GET', path, accessToken);
  return Number(body.toString().split('\n')[1]);
}

async function exportAll({ client, pid }: Replica, orgId: string, count: number): Promise<Flatness> {
  let { accessToken } = await signIn(client, owner);
  const seen: number[] = [];
  for (let after = 0; after < count; after += PAGE) {
    if (seen.length % RENEW === 0) ({ accessToken } = await signIn(client, owner));
    const path = `/api/v1/orgs/${orgId}/audit/export?after=${after}&limit=${PAGE}`;
    const { status } = await client.stream('GET', path, () => undefined, accessToken);
    if (status !== 200) throw new Error(`the export answered ${status}`);
    seen.push(memory(pid).rss);
  }
  const tenth = Math.ceil(seen.length / 10);
  return { early: seen[tenth - 1] ?? NaN, most: Math.max(...seen.slice(tenth)) };
}

/** Leaves and nodes a second that this machine hashes with nothing around. */
function bareHashes(): number {
  const leaf = Buffer.alloc(330, 1);
  const node = Buffer.alloc(65, 1);
  const begun = performance.now();
  const count = 200_000;
  for (let i = 0; i < count; i += 1) {
    hash('sha256', leaf, 'buffer');
    hash('sha256', node, 'buffer');
  }
  return (count / (performance.now() - begun)) * 1000;
}

/** As autovacuum would have done by the time a log has this length. */
async function settle(url: string): Promise<void> {
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  await admin.query('VACUUM ANALYZE portcullis.audit_events, portcullis.audit_positions');
  await admin.query('CHECKPOINT');
  await admin.end();
}
